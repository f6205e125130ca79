import { useEffect } from "preact/hooks";
import { formatSize, formatSpeed, formatTime } from "../format";
import { language, t } from "../i18n";
import { follow, moving, type Progress } from "../progress";
import type { Uploader } from "../uploads";
import type { Reason } from "../waiting";

/** What is under way: how far, how fast, and for how long still. */
export function Moving({ uppy }: { uppy: Uploader }) {
  useEffect(() => follow(uppy), [uppy]);
  const { each, all } = moving.value;
  if (!all) return null;
  const { ended, files } = all;
  return (
    <section aria-labelledby="moving">
      <h3 id="moving">{t("underWay")}</h3>
      <ul class="plain-list">
        {each.map((progress) => (
          <Line key={progress.id} progress={progress} name={progress.name} />
        ))}
        <Line progress={all} name={t("allTogether")}>
          {files > 1 && `, ${t("filesOf", { done: String(ended), all: String(files) })}`}
        </Line>
      </ul>
    </section>
  );
}

interface LineProps {
  progress: Progress;
  name: string;
  children?: string | false;
}

function Line({ progress, name, children }: LineProps) {
  const format = (bytes: number) => formatSize(bytes, language.value);
  const { done, size, reason } = progress;
  const soFar = t("uploadedOf", { done: format(done), all: format(size) });
  return (
    <li class="moving">
      <span class="name">
        {name}
        {children}
      </span>
      <progress max={size} value={done} aria-label={name} />
      <span class="quiet">
        {(reason ? [waitsFor(reason), soFar] : [soFar, ...pace(progress)]).join(", ")}
      </span>
    </li>
  );
}

/** What can be said of how it goes on. */
function pace({ speed, left, still }: Progress): string[] {
  if (still) return [t("standsStill")];
  if (speed === 0) return [];
  const told = formatSpeed(speed, language.value);
  return left === null ? [told] : [told, t("timeLeft", { time: formatTime(left) })];
}

const WAITS = {
  room: "waitsForRoom",
  busy: "waitsForTurn",
  network: "waitsForNetwork",
  server: "waitsForServer",
} as const;

export function waitsFor(reason: Reason): string {
  return t(WAITS[reason]);
}
