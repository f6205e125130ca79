import { t } from "../i18n";
import { kept, session, token } from "../session";
import { Copy } from "./Copy";

/** A new token, until somebody says that it is saved: nobody can restore it. */
export function SaveToken() {
  const value = token.value ?? "";
  return (
    <section class="card told" aria-labelledby="save-token">
      <h2 id="save-token">{t("saveToken")}</h2>
      <p>{t(kept.value ? "saveTokenKept" : "saveTokenUnkept")}</p>
      <code class="name" data-token>
        {value}
      </code>
      <div class="line">
        <SaveAsFile text={value} main />
        <Copy text={value} label={t("copyToken")} />
        <button type="button" onClick={() => session.noteSaved()}>
          {t("tokenSaved")}
        </button>
      </div>
    </section>
  );
}

/** Saves a line as a file, to be read by a person or a shell. */
export function SaveAsFile({ text, main = false }: { text: string; main?: boolean }) {
  const save = () => {
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/plain" }));
    anchor.download = `token-${location.hostname}.txt`;
    anchor.click();
    URL.revokeObjectURL(anchor.href);
  };
  return (
    <button type="button" class={main ? "main" : undefined} onClick={save}>
      {t("saveAsFile")}
    </button>
  );
}
