import { t } from "../i18n";
import { inform, warn } from "../notices";

interface Props {
  text: string;
  label: string;
}

export function Copy({ text, label }: Props) {
  return (
    <button type="button" onClick={() => copy(text)}>
      {label}
    </button>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await write(text);
    inform(t("copied"));
  } catch {
    warn(t("errorClipboard"));
  }
}

/** `navigator.clipboard` is not there over plain HTTP. */
async function write(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  // Inside of a dialog: the rest of the page takes no focus while one is open.
  const place = document.querySelector("dialog[open]") ?? document.body;
  place.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("not copied");
}
