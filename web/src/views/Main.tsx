import { useEffect, useMemo } from "preact/hooks";
import { t } from "../i18n";
import { forgetListing } from "../listing";
import { warn } from "../notices";
import { elsewhere, kept, unsaved } from "../session";
import { countUnderWay, keepCopies, startUploader, stopUploader, type Uploader } from "../uploads";
import { Files } from "./Files";
import { SaveToken } from "./SaveToken";
import { Unfinished } from "./Unfinished";
import { Upload } from "./Upload";

/** All that one token gives access to. */
export function Main() {
  const uppy = useMemo(startUploader, []);
  useEffect(() => keepCopies(uppy, kept.value), [uppy, kept.value]);
  useEffect(() => askBeforeLeaving(uppy), [uppy]);
  useEffect(() => () => end(uppy), [uppy]);
  useEffect(() => {
    if (elsewhere.value === "unkept") warn(t("unkeptElsewhere"));
  }, [elsewhere.value]);
  return (
    <main>
      {unsaved.value !== null && <SaveToken />}
      <Upload uppy={uppy} />
      <Unfinished uppy={uppy} />
      <Files />
    </main>
  );
}

/** Have the browser ask if an upload ends with the tab, or the only trace of a token with files. */
function askBeforeLeaving(uppy: Uploader): () => void {
  const ask = (event: BeforeUnloadEvent) => {
    const lost = !kept.value && unsaved.value === "used";
    if (lost || countUnderWay(uppy) > 0) event.preventDefault();
  };
  addEventListener("beforeunload", ask);
  return () => removeEventListener("beforeunload", ask);
}

function end(uppy: Uploader): void {
  const stopped = stopUploader(uppy);
  forgetListing();
  if (elsewhere.value !== "forgotten") return;
  warn(stopped > 0 ? t("stoppedElsewhere", { count: String(stopped) }) : t("forgottenElsewhere"));
}
