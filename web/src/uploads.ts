/** Uploads from this page: Uppy, speaking tus, and recovering after a reload. */

import { signal } from "@preact/signals";
import Uppy, { type Meta, type UppyFile } from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import DropTarget from "@uppy/drop-target";
import GoldenRetriever from "@uppy/golden-retriever";
import english from "@uppy/locales/lib/en_US.js";
import russian from "@uppy/locales/lib/ru_RU.js";
import Tus, { type TusBody } from "@uppy/tus";
import { Failure, type Unfinished } from "./api";
import { base } from "./base";
import { type Language, t } from "./i18n";
import { folder, noteStored } from "./listing";
import { report, warn } from "./notices";
import { session, token } from "./session";
import { forgetUnfinished } from "./unfinished";
import { noteMoving, noteWaiting, pauseBefore, reasonFor, waiting } from "./waiting";

/** `filename` is the whole name, with its folders; `replace`: also where there is such a file. */
interface FileMeta extends Meta {
  filename?: string;
  replace?: boolean;
}

type File = UppyFile<FileMeta, TusBody>;
export type Uploader = Uppy<FileMeta, TusBody>;

const locales = { en: english, ru: russian };

/** Bytes in one request: what is lost when the server is killed in the middle of one. */
const CHUNK = 16 * 2 ** 20;

/** Attempts in a row: with the pauses between them, hours. */
const ATTEMPTS = 2000;

/** Bytes of which the browser keeps a copy, to go on after a reload; larger files are asked for. */
const KEPT_FILE = 2 * 2 ** 30;
const KEPT_IN_ALL = 4 * 2 ** 30;

/** The ids and names of uploads that would replace a file, and wait for somebody to say so. */
export const existing = signal<ReadonlyMap<string, string>>(new Map());

/** The uploader of this tab, for the current token. */
export function startUploader(): Uploader {
  const uppy: Uploader = new Uppy<FileMeta, TusBody>({
    id: `page-${session.tabId()}`,
    autoProceed: true,
    onBeforeFileAdded: prepare,
    // The page tells what goes wrong by itself, in words.
    logger: { debug: () => {}, warn: () => {}, error: () => {} },
  });
  uppy.use(Tus, {
    endpoint: `${base}/api/uploads`,
    headers: () => ({ "X-Auth-Token": token.value ?? "" }),
    onBeforeRequest: (request, file) => {
      fileOf.set(request, file.id);
      const replaces = request.getMethod() !== "POST" || file.meta.replace;
      if (!replaces) request.setHeader("If-None-Match", "*");
    },
    onAfterResponse: (request, answer) => {
      const status = answer.getStatus();
      const id = fileOf.get(request);
      if (request.getMethod() === "PATCH" && status < 300 && id) noteMoving([id]);
      // By itself it would begin anew, and what has arrived were lost.
      const passes = status >= 400 && reasonFor(status) !== null;
      if (request.getMethod() === "HEAD" && passes) throw new Failure(status);
    },
    onShouldRetry: (error, attempt, options, next) => {
      const id = error.originalRequest && fileOf.get(error.originalRequest);
      const { causingError: cause, originalResponse: answer } = error;
      const status = answer?.getStatus() ?? (cause instanceof Failure ? cause.status : 0);
      const reason = reasonFor(status);
      if (!id || !reason || !options.retryDelays) return false;
      const pause = pauseBefore(attempt, answer?.getHeader("Retry-After"), Date.now());
      // It takes the pause from here as soon as it knows that it may try again.
      options.retryDelays[attempt] = pause;
      noteWaiting(id, reason, Date.now() + pause);
      // Its own answer to these is to give up, or to hold back all. They keep their turn instead.
      return status === 408 || status === 429 || next(error);
    },
    chunkSize: CHUNK,
    retryDelays: Array<number>(ATTEMPTS).fill(0),
    limit: 4,
    allowedMetaFields: ["filename", "filetype"],
    // The same file may be meant for another folder, or be stored again after it was deleted:
    // what goes on is only what is listed as unfinished, or was under way before a reload.
    storeFingerprintForResuming: false,
  });
  uppy.on("restored", () => {
    const files = uppy.getFiles();
    const all = files.length > 0 && files.every((file) => !file.isGhost);
    if (all) uppy.emit("restore-confirmed");
  });
  uppy.on("upload", () => session.noteUse());
  uppy.on("upload-pause", (file) => file && noteMoving([file.id]));
  uppy.on("pause-all", () => noteMoving(waiting.value.keys()));
  uppy.on("upload-success", (file) => {
    if (file) noteMoving([file.id]);
    const name = file?.meta.filename;
    if (name && file.size !== null) noteStored(name, file.size);
    forgetUnfinished(idOf(file));
  });
  uppy.on("upload-error", (file, error, response) => {
    if (file) noteMoving([file.id]);
    const failure = failureOf(error, response);
    const name = file?.meta.filename ?? file?.name;
    if (file && name && failure.status === 412) {
      existing.value = new Map([...existing.value, [file.id, name]]);
    } else report(failure, name);
  });
  uppy.on("file-removed", (file) => {
    answered([file.id]);
    noteMoving([file.id]);
    forgetUnfinished(idOf(file));
  });
  uppy.on("restriction-failed", (_file, error) => warn(error.message));
  return uppy;
}

/** Which file a request is for. */
const fileOf = new WeakMap<object, string>();

/** Keep copies of the files, to go on by itself after a reload, or do not. */
export function keepCopies(uppy: Uploader, keep: boolean): void {
  const recovery = uppy.getPlugin("GoldenRetriever");
  if (keep && !recovery) uppy.use(GoldenRetriever, { indexedDB: limits() });
  if (!keep && recovery) uppy.removePlugin(recovery);
}

/** Try what waits again now. */
export function retryNow(uppy: Uploader): void {
  const waits = new Map(waiting.value);
  for (const id of waits.keys()) {
    uppy.pauseResume(id);
    uppy.pauseResume(id);
  }
  for (const [id, { reason }] of waits) noteWaiting(id, reason, Date.now());
}

/** Show the uploader, and let files be dropped anywhere. */
export function mount(uppy: Uploader, target: HTMLElement, language: Language): () => void {
  uppy.use(Dashboard, {
    target,
    inline: true,
    width: "100%",
    height: 320,
    theme: "auto",
    fileManagerSelectionType: "both",
    proudlyDisplayPoweredByUppy: false,
    disableInformer: true,
    // How long still is told below, as far as it is known.
    hideProgressDetails: true,
    singleFileFullScreen: false,
    locale: locales[language],
  });
  const online = () => retryNow(uppy);
  addEventListener("online", online);
  uppy.use(DropTarget, { target: document.body });
  const paste = (event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0 || event.defaultPrevented) return;
    event.preventDefault();
    uppy.addFiles(files.map((data) => ({ name: data.name, type: data.type, data })));
  };
  document.addEventListener("paste", paste);
  return () => {
    removeEventListener("online", online);
    document.removeEventListener("paste", paste);
    for (const id of ["DropTarget", "Dashboard"]) {
      const plugin = uppy.getPlugin(id);
      if (plugin) uppy.removePlugin(plugin);
    }
  };
}

/** Set its texts; `uploading` says what it does instead while it does something else. */
export function setTexts(uppy: Uploader, language: Language, uploading: string | null): void {
  const { strings, ...rest } = locales[language];
  const locale = { ...rest, strings: uploading ? { ...strings, uploading } : strings };
  uppy.setOptions({ locale });
  uppy.getPlugin("Dashboard")?.setOptions({ locale });
}

/** How many uploads end where they are when the page is left. */
export function countUnderWay(uppy: Uploader): number {
  return uppy.getFiles().filter(({ progress, error, isGhost }) => {
    return !progress.uploadComplete && !error && !isGhost;
  }).length;
}

/**
 * Stop without a trace on this device; what the server has stays there. (`destroy` would cancel,
 * and so remove it.) Returns how many uploads that has stopped.
 */
export function stopUploader(uppy: Uploader): number {
  const stopped = countUnderWay(uppy);
  uppy.pauseAll();
  uppy.clear();
  existing.value = new Map();
  return stopped;
}

/** Go on with an upload that the server knows; false if the file cannot be the same. */
export function resume(uppy: Uploader, upload: Unfinished, data: globalThis.File): boolean {
  const own = upload.name?.slice(upload.name.lastIndexOf("/") + 1);
  if (own !== data.name || (upload.length !== null && upload.length !== data.size)) return false;
  const id = uppy.addFile({
    name: data.name,
    type: data.type,
    data,
    meta: { filename: upload.name ?? data.name },
  });
  uppy.setFileState(id, {
    tus: { ...uppy.getFile(id).tus, uploadUrl: `${base}/api/uploads/${upload.id}` },
  });
  return true;
}

/** Upload what waits for it, whatever is there. */
export function replaceExisting(uppy: Uploader): void {
  const ids = [...existing.value.keys()];
  answered(ids);
  for (const id of ids) {
    uppy.setFileMeta(id, { replace: true });
    uppy.retryUpload(id);
  }
}

/** Leave what is there. */
export function keepExisting(uppy: Uploader): void {
  uppy.removeFiles([...existing.value.keys()]);
}

function answered(ids: readonly string[]): void {
  const left = [...existing.value].filter(([id]) => !ids.includes(id));
  if (left.length < existing.value.size) existing.value = new Map(left);
}

/** The ids of the uploads that are under way here. */
export function underWay(uppy: Uploader): string[] {
  return uppy.getFiles().map(idOf);
}

/** The id that the server gave to a file's upload; empty as long as there is none. */
function idOf(file: File | undefined): string {
  const url = file?.tus?.uploadUrl ?? "";
  return url.slice(url.lastIndexOf("/") + 1);
}

/** Say where a file goes. It is known by that, too: one file may go to several places. */
function prepare(file: File, files: Record<string, File>): File | boolean {
  const path = String(file.meta.relativePath || file.name).replace(/^\/+/, "");
  const filename = file.meta.filename ?? folder.value + path;
  const id = `${file.id}-${encodeURIComponent(filename)}`;
  const known = files[id];
  if (known?.isGhost) return { ...known, isGhost: false, data: file.data } as File;
  if (known && !known.progress.uploadComplete && !known.error) {
    warn(t("alreadyUploading", { name: filename }));
    return false;
  }
  return { ...file, id, meta: { ...file.meta, filename, filetype: file.type } } as File;
}

function failureOf(error: { message: string }, response?: { status?: number; body?: TusBody }) {
  const status = response?.status ?? 0;
  try {
    const problem = JSON.parse(response?.body?.xhr.responseText ?? "");
    return new Failure(status, String(problem.detail ?? ""));
  } catch {
    return new Failure(status, status ? error.message : "");
  }
}

/** The plugin passes these on to its store, though its types do not say so. */
function limits(): { name?: string; version?: number } {
  const options = { maxFileSize: KEPT_FILE, maxTotalSize: KEPT_IN_ALL };
  return options as object;
}
