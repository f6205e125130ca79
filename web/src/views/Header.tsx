import { useState } from "preact/hooks";
import { chooseLanguage, LANGUAGES, language, t } from "../i18n";
import { warn } from "../notices";
import { kept, session, token, unsaved } from "../session";
import { Confirm } from "./Confirm";
import { Copy } from "./Copy";
import { SaveAsFile } from "./SaveToken";

export function Header() {
  return (
    <header class="page-header">
      <h1>file-uploader</h1>
      <label class="line">
        <span class="hidden">{t("language")}</span>
        <select
          value={language.value}
          onChange={(event) => chooseLanguage(event.currentTarget.value)}
        >
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {token.value !== null && <TokenControls value={token.value} />}
    </header>
  );
}

function TokenControls({ value }: { value: string }) {
  const [asking, ask] = useState(false);
  const keep = (wanted: boolean) => {
    if (!session.keep(wanted)) warn(t("errorKeep"));
  };
  return (
    <div class="line">
      <label class="line">
        <input
          type="checkbox"
          checked={kept.value}
          onChange={(event) => keep(event.currentTarget.checked)}
        />
        {t("keepToken")}
      </label>
      {unsaved.value === null && <Known value={value} />}
      <button type="button" onClick={() => ask(true)}>
        {t("forgetToken")}
      </button>
      {asking && (
        <Confirm
          question={t("forgetQuestion")}
          action={t("forgetToken")}
          onConfirm={() => session.signOut()}
          onClose={() => ask(false)}
        >
          <p>{t("forgetText")}</p>
        </Confirm>
      )}
    </div>
  );
}

/** A token that is saved somewhere: to be looked at, and saved once more. */
function Known({ value }: { value: string }) {
  const [visible, show] = useState(false);
  return (
    <>
      {visible && (
        <>
          <code data-token>{value}</code>
          <SaveAsFile text={value} />
        </>
      )}
      <button type="button" aria-pressed={visible} onClick={() => show(!visible)}>
        {t(visible ? "hideToken" : "showToken")}
      </button>
      <Copy text={value} label={t("copyToken")} />
    </>
  );
}
