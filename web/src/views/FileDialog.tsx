import { useState } from "preact/hooks";
import { type FileEntry, type Link, makeLink } from "../api";
import { baseUrl } from "../base";
import { curlDelete, curlDownload, curlShare } from "../curl";
import { deleteAll } from "../deleting";
import { formatDate, formatSize } from "../format";
import { language, t } from "../i18n";
import { lastSegment } from "../names";
import { report } from "../notices";
import { download } from "../opening";
import { Confirm } from "./Confirm";
import { Copy } from "./Copy";
import { Curl } from "./Curl";
import { Dialog } from "./Dialog";
import { Preview } from "./Preview";

const HOUR = 3600;

const LIFETIMES = [
  ["hour", HOUR],
  ["day", 24 * HOUR],
  ["week", 7 * 24 * HOUR],
] as const;

/** One file: a look at it, and what can be done with it. */
export function FileDialog({ file, onClose }: { file: FileEntry; onClose: () => void }) {
  const [asking, ask] = useState(false);
  const remove = () => {
    onClose();
    deleteAll([file.name]);
  };
  return (
    <Dialog title={lastSegment(file.name)} onClose={onClose}>
      <p class="quiet">
        {formatSize(file.size, language.value)}, {formatDate(file.last_modified, language.value)}
      </p>
      <Preview file={file} />
      <div class="line">
        <button type="button" class="main" onClick={() => download(file.name)}>
          {t("download")}
        </button>
        <button type="button" onClick={() => ask(true)}>
          {t("delete")}
        </button>
        <button type="button" onClick={onClose}>
          {t("close")}
        </button>
      </div>
      <Share name={file.name} />
      <Curl
        commands={[
          [t("curlDownload"), curlDownload(baseUrl, file.name)],
          [t("curlShare"), curlShare(baseUrl, file.name, HOUR)],
          [t("curlDelete"), curlDelete(baseUrl, file.name)],
        ]}
      />
      {asking && (
        <Confirm
          question={t("deleteQuestion", { count: lastSegment(file.name) })}
          action={t("delete")}
          onConfirm={remove}
          onClose={() => ask(false)}
        >
          <p>{t("deleteText")}</p>
        </Confirm>
      )}
    </Dialog>
  );
}

function Share({ name }: { name: string }) {
  const [seconds, setSeconds] = useState<number>(HOUR);
  const [link, setLink] = useState<Link | null>(null);
  const make = async () => {
    try {
      setLink(await makeLink(name, seconds));
    } catch (error) {
      report(error, lastSegment(name));
    }
  };
  return (
    <section class="card" aria-labelledby="share">
      <h3 id="share">{t("share")}</h3>
      <div class="line">
        <label class="line">
          {t("shareFor")}
          <select
            value={seconds}
            onChange={(event) => setSeconds(Number(event.currentTarget.value))}
          >
            {LIFETIMES.map(([text, value]) => (
              <option key={text} value={value}>
                {t(text)}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={make}>
          {t("makeLink")}
        </button>
      </div>
      {link && (
        <>
          <div class="line">
            <label class="grow field">
              {t("link")}
              <input
                type="text"
                class="code"
                readOnly
                value={link.url}
                onFocus={(event) => event.currentTarget.select()}
              />
            </label>
            <Copy text={link.url} label={t("copy")} />
          </div>
          <p class="quiet" role="status">
            {t("linkUntil", { when: formatDate(link.expires, language.value) })}
          </p>
        </>
      )}
    </section>
  );
}
