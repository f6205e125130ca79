import { useEffect, useMemo } from "preact/hooks";
import { startUploader, stopUploader } from "../uploads";
import { Files } from "./Files";
import { Unfinished } from "./Unfinished";
import { Upload } from "./Upload";

/** All that one token gives access to. */
export function Main() {
  const uppy = useMemo(startUploader, []);
  useEffect(() => () => stopUploader(uppy), [uppy]);
  return (
    <main>
      <Upload uppy={uppy} />
      <Unfinished uppy={uppy} />
      <Files />
    </main>
  );
}
