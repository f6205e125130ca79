import { useEffect, useState } from "preact/hooks";
import { Failure, type FileEntry } from "../api";
import { t } from "../i18n";
import { lastSegment } from "../names";
import { explain } from "../notices";
import { pathTo } from "../opening";

/** Bytes of a text that are shown. */
const TEXT = 128 * 1024;

type Kind = "image" | "audio" | "video" | "text" | "pdf" | "none";

interface Shown {
  kind: Kind;
  path: string;
  text?: string;
  cut?: boolean;
}

/**
 * A look at a file. Images and sound are only drawn and played; anything that is text is shown as
 * the text that it is, so that nothing in it is ever run or fetched.
 */
export function Preview({ file }: { file: FileEntry }) {
  const [found, setFound] = useState<Shown | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    look(file).then(setFound, (error) => setProblem(explain(error)));
  }, [file]);
  const fail = () => setProblem(t("previewFailed"));
  const name = lastSegment(file.name);
  return (
    <div class="preview" aria-busy={found === null && problem === ""}>
      {problem ? <p>{problem}</p> : found && <Content {...found} name={name} onError={fail} />}
    </div>
  );
}

function Content({
  kind,
  path,
  text,
  cut,
  name,
  onError,
}: Shown & { name: string; onError: () => void }) {
  switch (kind) {
    case "image":
      return <img src={path} alt={name} onError={onError} />;
    case "audio":
      // biome-ignore lint/a11y/useMediaCaption: nobody has captions for somebody's recordings
      return <audio src={path} controls preload="metadata" aria-label={name} onError={onError} />;
    case "video":
      // biome-ignore lint/a11y/useMediaCaption: nobody has captions for somebody's recordings
      return <video src={path} controls preload="metadata" aria-label={name} onError={onError} />;
    case "text":
      return (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, with the keyboard too */}
          <section tabIndex={0} aria-label={t("preview")}>
            <pre>{text}</pre>
          </section>
          {cut && <p class="quiet">{t("previewCut")}</p>}
        </>
      );
    case "pdf":
      return (
        <a href={path} target="_blank" rel="noopener noreferrer">
          {t("openPdf")}
        </a>
      );
    default:
      return <p class="quiet">{t("noPreview")}</p>;
  }
}

/** Ask for the beginning: the answer says what it is. */
async function look(file: FileEntry): Promise<Shown> {
  const path = await pathTo(file.name);
  const headers = new Headers(file.size > 0 ? [["Range", `bytes=0-${TEXT - 1}`]] : []);
  const abort = new AbortController();
  let answer: Response;
  try {
    answer = await fetch(path, { headers, signal: abort.signal });
  } catch {
    throw new Failure(0);
  }
  if (!answer.ok) throw new Failure(answer.status);
  const type = answer.headers.get("Content-Type") ?? "";
  const kind = kindOf(type, answer.headers.has("Content-Encoding"));
  if (kind !== "text") {
    abort.abort();
    return { kind, path };
  }
  const bytes = await answer.arrayBuffer();
  return { kind, path, text: decoder(type).decode(bytes), cut: file.size > TEXT };
}

function kindOf(type: string, encoded: boolean): Kind {
  const [media = ""] = type.toLowerCase().split(";");
  const [top] = media.split("/");
  if (media.trim() === "application/pdf") return "pdf";
  if (top === "image" || top === "audio" || top === "video") return top;
  // Of what is compressed there is no beginning to show.
  if (encoded) return "none";
  if (top === "text" || /[/+](json|xml|javascript|yaml|toml|sql)$/.test(media.trim()))
    return "text";
  return "none";
}

function decoder(type: string): TextDecoder {
  const charset = /charset="?([\w-]+)/i.exec(type)?.[1];
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
}
