import { t } from "../i18n";
import { Copy } from "./Copy";

interface Props {
  /** Pairs of what a command does, and the command. */
  commands: [string, string][];
}

/** What the page does here, as commands to type. */
export function Curl({ commands }: Props) {
  return (
    <details>
      <summary>{t("asCurl")}</summary>
      <p class="quiet">{t("asCurlText")}</p>
      <ul class="plain-list">
        {commands.map(([what, command]) => (
          <li key={what}>
            <div class="line">
              <span class="grow">{what}</span>
              <Copy text={command} label={t("copy")} />
            </div>
            <pre>{command}</pre>
          </li>
        ))}
      </ul>
    </details>
  );
}
