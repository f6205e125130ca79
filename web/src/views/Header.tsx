import { useState } from "preact/hooks";
import { chooseLanguage, LANGUAGES, language, t } from "../i18n";
import { fresh, keepToken, kept, signOut, token } from "../session";
import { Confirm } from "./Confirm";
import { Copy } from "./Copy";

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
  const [visible, show] = useState(fresh.value);
  const [asking, ask] = useState(false);
  return (
    <div class="line">
      <label class="line">
        <input
          type="checkbox"
          checked={kept.value}
          onChange={(event) => keepToken(event.currentTarget.checked)}
        />
        {t("keepToken")}
      </label>
      {visible && <code data-token>{value}</code>}
      <button type="button" aria-pressed={visible} onClick={() => show(!visible)}>
        {t(visible ? "hideToken" : "showToken")}
      </button>
      <Copy text={value} label={t("copyToken")} />
      <button type="button" onClick={() => ask(true)}>
        {t("forgetToken")}
      </button>
      {asking && (
        <Confirm
          question={t("forgetQuestion")}
          action={t("forgetToken")}
          onConfirm={signOut}
          onClose={() => ask(false)}
        >
          <p>{t("forgetText")}</p>
        </Confirm>
      )}
    </div>
  );
}
