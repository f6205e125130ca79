import { useEffect, useRef } from "preact/hooks";
import { baseUrl } from "../base";
import { curlUpload } from "../curl";
import { language, t } from "../i18n";
import { folder } from "../listing";
import { moving } from "../progress";
import {
  existing,
  keepExisting,
  mount,
  replaceExisting,
  setTexts,
  type Uploader,
} from "../uploads";
import { Curl } from "./Curl";
import { Moving, waitsFor } from "./Moving";
import { Waiting } from "./Waiting";

export function Upload({ uppy }: { uppy: Uploader }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (place.current) return mount(uppy, place.current, language.peek());
  }, [uppy]);
  const current = language.value;
  const reason = moving.value.all?.reason;
  const uploading = reason ? waitsFor(reason) : null;
  useEffect(() => setTexts(uppy, current, uploading), [uppy, current, uploading]);
  return (
    <section class="card" aria-labelledby="upload">
      <h2 id="upload">{t("upload")}</h2>
      <p class="quiet name">{t("uploadInto", { folder: folder.value || t("allFiles") })}</p>
      <Existing uppy={uppy} />
      <Waiting uppy={uppy} />
      <div ref={place} />
      <Moving uppy={uppy} />
      <Curl commands={[[t("curlUpload"), curlUpload(baseUrl, folder.value)]]} />
    </section>
  );
}

/** The question whether files that are there already are to be replaced. */
function Existing({ uppy }: { uppy: Uploader }) {
  const names = [...existing.value.values()];
  return (
    <div role="alert" class={names.length > 0 ? undefined : "hidden"}>
      {names.length > 0 && (
        <div class="card">
          <p>{t("existsQuestion", { count: String(names.length) })}</p>
          <p class="quiet name">
            {names.slice(0, 5).join(", ")}
            {names.length > 5 && ", …"}
          </p>
          <div class="line">
            <button type="button" onClick={() => keepExisting(uppy)}>
              {t("keepOld")}
            </button>
            <button type="button" class="bad" onClick={() => replaceExisting(uppy)}>
              {t("replace")}
            </button>
          </div>
        </div>
      )}
    </div>
  );
}
