import { useEffect, useRef, useState } from "preact/hooks";
import { folderOfUrl, goTo } from "../address";
import { type FileEntry, isFolder } from "../api";
import { baseUrl } from "../base";
import { curlDelete, curlList } from "../curl";
import { deleteAll } from "../deleting";
import { language, t } from "../i18n";
import {
  complete,
  folder,
  loading,
  openFolder,
  order,
  reload,
  search,
  selection,
  selectShown,
  shown,
} from "../listing";
import { lastSegment, trail } from "../names";
import { downloadAll } from "../opening";
import { Confirm } from "./Confirm";
import { Curl } from "./Curl";
import { FileDialog } from "./FileDialog";
import { Table } from "./Table";

/** Milliseconds without a key after which is searched. */
const PAUSE = 150;

export function Files() {
  const [opened, open] = useState<FileEntry | null>(null);
  useEffect(() => {
    const follow = () => openFolder(folderOfUrl());
    follow();
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const first = shown.value.find((entry) => !isFolder(entry)) as FileEntry | undefined;
  return (
    <section class="card" aria-labelledby="files">
      <h2 id="files">{t("files")}</h2>
      <Trail />
      <div class="line">
        <Search />
        <button type="button" onClick={reload}>
          {t("reload")}
        </button>
      </div>
      <Selected />
      <Table onOpen={open} />
      <p class="quiet" aria-live="polite">
        {status()}
      </p>
      <Curl
        commands={[
          [t("curlList"), curlList(baseUrl, folder.value)],
          ...(first
            ? [[t("curlDelete"), curlDelete(baseUrl, first.name)] as [string, string]]
            : []),
        ]}
      />
      {opened && <FileDialog file={opened} onClose={() => open(null)} />}
    </section>
  );
}

function status(): string {
  const count = new Intl.NumberFormat(language.value).format(shown.value.length);
  if (loading.value && shown.value.length === 0) return t("loading");
  if (!complete.value && (order.value.by !== "name" || order.value.down)) {
    return t("loadingAll", { count });
  }
  if (shown.value.length > 0) return t(complete.value ? "countAll" : "countSome", { count });
  return search.value ? t("nothingFound", { text: search.value }) : t("empty");
}

function Trail() {
  return (
    <nav class="trail" aria-label={t("folders")}>
      <ol>
        {["", ...trail(folder.value)].map((name) => (
          <li key={name}>
            <button
              type="button"
              class="plain name"
              aria-current={name === folder.value ? "page" : undefined}
              onClick={() => goTo(name)}
            >
              {name ? lastSegment(name).slice(0, -1) : t("allFiles")}
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Search() {
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const find = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => openFolder(folder.value, text), PAUSE);
  };
  return (
    <label class="grow field">
      <span class="hidden">{t("searchLabel")}</span>
      <input
        type="search"
        placeholder={t("searchHint")}
        key={folder.value}
        onInput={(event) => find(event.currentTarget.value)}
      />
    </label>
  );
}

function Selected() {
  const [asking, ask] = useState(false);
  const names = [...selection.value];
  if (names.length === 0) return null;
  const files = names.filter((name) => !name.endsWith("/"));
  const count = String(names.length);
  return (
    <div class="line">
      <span class="grow" aria-live="polite">
        {t("selected", { count })}
      </span>
      <button type="button" onClick={() => selectShown(false)}>
        {t("clearSelection")}
      </button>
      {files.length > 0 && (
        <button type="button" onClick={() => downloadAll(files)}>
          {t("download")}
        </button>
      )}
      <button type="button" class="bad" onClick={() => ask(true)}>
        {t("delete")}
      </button>
      {asking && (
        <Confirm
          question={t("deleteQuestion", { count })}
          action={t("delete")}
          onConfirm={() => deleteAll(names)}
          onClose={() => ask(false)}
        >
          <p>{t("deleteText")}</p>
          {names.some((name) => name.endsWith("/")) && <p>{t("deleteFolders")}</p>}
          <ul>
            {names.slice(0, 10).map((name) => (
              <li key={name} class="name">
                {lastSegment(name)}
              </li>
            ))}
            {names.length > 10 && <li>…</li>}
          </ul>
        </Confirm>
      )}
    </div>
  );
}
