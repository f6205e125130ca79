import { useId, useState } from "preact/hooks";
import { t } from "../i18n";
import { inform } from "../notices";
import { readToken, signIn, signUp } from "../session";

export function Welcome() {
  const [text, setText] = useState("");
  const [keep, setKeep] = useState(false);
  const [wrong, setWrong] = useState(false);
  const hint = useId();
  const form = useId();
  const make = () => {
    signUp(keep);
    inform(t("newTokenNotice"));
  };
  const use = (event: Event) => {
    event.preventDefault();
    const found = readToken(text);
    setWrong(found === null);
    if (found !== null) signIn(found, keep);
  };
  return (
    <main>
      <section class="card welcome">
        <h2>{t("welcome")}</h2>
        <p>{t("welcomeText")}</p>
        <label class="line">
          <input
            type="checkbox"
            checked={keep}
            aria-describedby={hint}
            onChange={(event) => setKeep(event.currentTarget.checked)}
          />
          {t("keepToken")}
        </label>
        <p class="quiet" id={hint}>
          {t("keepTokenHint")}
        </p>
        <button type="button" class="main" onClick={make}>
          {t("makeToken")}
        </button>
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
          <button type="submit">{t("useToken")}</button>
        </form>
      </section>
    </main>
  );
}
