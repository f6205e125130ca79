import { useId, useState } from "preact/hooks";
import { t } from "../i18n";
import { warn } from "../notices";
import { readToken, session } from "../session";

export function Welcome() {
  return (
    <main>
      <section class="card welcome">
        <h2>{t("welcome")}</h2>
        <p>{t("welcomeText")}</p>
        <Make />
        <Use />
      </section>
    </main>
  );
}

function told(done: boolean): void {
  if (!done) warn(t("errorKeep"));
}

/** Nobody else has a new token: it is kept, unless somebody says not to. */
function Make() {
  const [keep, setKeep] = useState(true);
  return (
    <>
      <Keep label={t("keepNewToken")} hint={t("keepNewTokenHint")} keep={keep} onChange={setKeep} />
      <button type="button" class="main" onClick={() => told(session.signUp(keep))}>
        {t("makeToken")}
      </button>
    </>
  );
}

/** Who types a token in has it. */
function Use() {
  const [text, setText] = useState("");
  const [keep, setKeep] = useState(false);
  const [wrong, setWrong] = useState(false);
  const form = useId();
  const use = (event: Event) => {
    event.preventDefault();
    const found = readToken(text);
    setWrong(found === null);
    if (found !== null) told(session.signIn(found, keep));
  };
  return (
    <form class="card" onSubmit={use}>
      <label class="field">
        {t("haveToken")}
        <input
          type="text"
          class="code"
          autocomplete="off"
          spellcheck={false}
          value={text}
          aria-invalid={wrong}
          aria-describedby={form}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <p class="quiet" id={form} role={wrong ? "alert" : undefined}>
        {t("tokenForm")}
      </p>
      <Keep label={t("keepToken")} hint={t("keepTokenHint")} keep={keep} onChange={setKeep} />
      <button type="submit">{t("useToken")}</button>
    </form>
  );
}

interface KeepProps {
  label: string;
  hint: string;
  keep: boolean;
  onChange: (keep: boolean) => void;
}

function Keep({ label, hint, keep, onChange }: KeepProps) {
  const id = useId();
  return (
    <>
      <label class="line">
        <input
          type="checkbox"
          checked={keep}
          aria-describedby={id}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        {label}
      </label>
      <p class="quiet" id={id}>
        {hint}
      </p>
    </>
  );
}
