import { useEffect, useRef, useState } from "preact/hooks";
import { discard, type Unfinished as UnfinishedUpload } from "../api";
import { baseUrl } from "../base";
import { curlDiscard, curlUploads } from "../curl";
import { formatDate, formatSize } from "../format";
import { language, t } from "../i18n";
import { report, warn } from "../notices";
import { forgetUnfinished, lookForUnfinished, unfinished } from "../unfinished";
import { resume, type Uploader, underWay } from "../uploads";
import { Confirm } from "./Confirm";
import { Curl } from "./Curl";

/** What the server has of uploads that are not under way on this page. */
export function Unfinished({ uppy }: { uppy: Uploader }) {
  useEffect(() => {
    const look = () => lookForUnfinished(() => underWay(uppy));
    look();
    // By then it is known which of them this page goes on with.
    uppy.on("restored", look);
    return () => {
      uppy.off("restored", look);
    };
  }, [uppy]);
  const [first] = unfinished.value;
  if (!first) return null;
  return (
    <section class="card" aria-labelledby="unfinished">
      <h2 id="unfinished">{t("unfinished")}</h2>
      <p class="quiet">{t("unfinishedText")}</p>
      <ul class="plain-list">
        {unfinished.value.map((upload) => (
          <One key={upload.id} uppy={uppy} upload={upload} />
        ))}
      </ul>
      <Curl
        commands={[
          [t("curlUploads"), curlUploads(baseUrl)],
          [t("curlDiscard"), curlDiscard(baseUrl, first.id)],
        ]}
      />
    </section>
  );
}

function One({ uppy, upload }: { uppy: Uploader; upload: UnfinishedUpload }) {
  const [asking, ask] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const name = upload.name ?? t("noName");
  const size = (bytes: number) => formatSize(bytes, language.value);
  const goOn = () => {
    const file = picker.current?.files?.[0];
    if (!file) return;
    if (resume(uppy, upload, file)) forgetUnfinished(upload.id);
    else warn(t("otherFile", { name, size: size(upload.length ?? upload.offset) }));
    if (picker.current) picker.current.value = "";
  };
  const remove = async () => {
    try {
      await discard(upload.id);
      forgetUnfinished(upload.id);
    } catch (error) {
      report(error, name);
    }
  };
  const values = { done: size(upload.offset), all: size(upload.length ?? 0) };
  return (
    <li class="line">
      <div class="grow">
        <div class="name">{name}</div>
        {upload.length !== null && (
          <progress max={upload.length} value={upload.offset} aria-label={name} />
        )}
        <div class="quiet">
          {t(upload.length === null ? "uploaded" : "uploadedOf", values)},{" "}
          {t("expires", { when: formatDate(upload.expires, language.value) })}
        </div>
      </div>
      <input ref={picker} type="file" hidden onChange={goOn} />
      {upload.name !== null && (
        <button
          type="button"
          aria-label={t("resumeNamed", { name })}
          onClick={() => picker.current?.click()}
        >
          {t("resume")}
        </button>
      )}
      <button type="button" aria-label={t("discardNamed", { name })} onClick={() => ask(true)}>
        {t("discard")}
      </button>
      {asking && (
        <Confirm
          question={t("discardQuestion")}
          action={t("discard")}
          onConfirm={remove}
          onClose={() => ask(false)}
        >
          <p class="name">{t("discardText", { name })}</p>
        </Confirm>
      )}
    </li>
  );
}
