import { useEffect, useRef } from "preact/hooks";
import { curlUpload } from "../curl";
import { language, t } from "../i18n";
import { folder } from "../listing";
import { mount, setLanguage, type Uploader } from "../uploads";
import { Curl } from "./Curl";

export function Upload({ uppy }: { uppy: Uploader }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (place.current) return mount(uppy, place.current, language.peek());
  }, [uppy]);
  const current = language.value;
  useEffect(() => setLanguage(uppy, current), [uppy, current]);
  return (
    <section class="card" aria-labelledby="upload">
      <h2 id="upload">{t("upload")}</h2>
      <p class="quiet name">{t("uploadInto", { folder: folder.value || t("allFiles") })}</p>
      <div ref={place} />
      <Curl commands={[[t("curlUpload"), curlUpload(location.origin, folder.value)]]} />
    </section>
  );
}
