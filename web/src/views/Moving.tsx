import { useEffect } from "preact/hooks";
import { formatSize, formatSpeed, formatTime } from "../format";
import { language, t } from "../i18n";
import { follow, moving, type Progress } from "../progress";
import type { Uploader } from "../uploads";

/** What is under way: how far, how fast, and for how long still. */
export function Moving({ uppy }: { uppy: Uploader }) {
  useEffect(() => follow(uppy), [uppy]);
  const { each, all } = moving.value;
  if (!all) return null;
  return (
    <section aria-labelledby="moving">
      <h3 id="moving">{t("underWay")}</h3>
      <ul class="plain-list">
        {each.map((progress) => (
          <Line key={progress.id} progress={progress} name={progress.name} />
        ))}
        <Line progress={all} name={t("allTogether")} />
      </ul>
    </section>
  );
}

function Line({ progress, name }: { progress: Progress; name: string }) {
  const { done, size, speed } = progress;
  const left = speed > 0 ? formatTime((size - done) / speed) : "–";
  const format = (bytes: number) => formatSize(bytes, language.value);
  return (
    <li class="moving">
      <span class="name">{name}</span>
      <progress max={size} value={done} aria-label={name} />
      <span class="quiet">
        {t("uploadedOf", { done: format(done), all: format(size) })},{" "}
        {formatSpeed(speed, language.value)}, {t("timeLeft", { time: left })}
      </span>
    </li>
  );
}
