import { useEffect, useState } from "preact/hooks";
import { formatTime } from "../format";
import { t } from "../i18n";
import { retryNow, type Uploader } from "../uploads";
import { type Reason, waiting } from "../waiting";

const WHY = {
  room: "errorFull",
  busy: "waitsBusy",
  network: "waitsNetwork",
  server: "waitsServer",
} as const;

/** What uploads wait for, and until when. */
export function Waiting({ uppy }: { uppy: Uploader }) {
  const reasons = new Map<Reason, number>();
  let next = Number.POSITIVE_INFINITY;
  for (const { reason, until } of waiting.value.values()) {
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    next = Math.min(next, until);
  }
  const waits = reasons.size > 0;
  return (
    <div class={waits ? "card told" : "hidden"}>
      <div role="alert">
        {[...reasons].map(([reason, count]) => (
          <p key={reason}>
            {t(WHY[reason])} {t("waitsCount", { count: String(count) })}
          </p>
        ))}
      </div>
      {waits && (
        <div class="line">
          <span class="grow quiet">
            <NextTry at={next} />
          </span>
          <button type="button" onClick={() => retryNow(uppy)}>
            {t("tryNow")}
          </button>
        </div>
      )}
    </div>
  );
}

function NextTry({ at }: { at: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const left = (at - now) / 1000;
  return <>{left > 0 ? t("nextTry", { time: formatTime(left) }) : t("tryingAgain")}</>;
}
