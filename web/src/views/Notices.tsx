import { t } from "../i18n";
import { dismiss, notices } from "../notices";

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(({ id, text, bad }) => (
        <div key={id} class={bad ? "notice bad" : "notice"}>
          <span class="grow name">{text}</span>
          <button type="button" class="plain" onClick={() => dismiss(id)}>
            {t("dismiss")}
          </button>
        </div>
      ))}
    </div>
  );
}
