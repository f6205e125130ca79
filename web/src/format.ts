/** Sizes and dates as people read them. */

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"] as const;

const sizes = new Map<string, Intl.NumberFormat>();

function unitFormat(language: string, unit: (typeof UNITS)[number]): Intl.NumberFormat {
  const key = `${language} ${unit}`;
  let format = sizes.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language, {
      style: "unit",
      unit,
      unitDisplay: unit === "byte" ? "long" : "short",
      maximumSignificantDigits: 3,
      roundingPriority: "lessPrecision",
    });
    sizes.set(key, format);
  }
  return format;
}

/** A number of bytes, in steps of 1024 as Uppy beside it counts, and most file managers do. */
export function formatSize(bytes: number, language: string): string {
  let power = 0;
  let value = bytes;
  while (value >= 1000 && power < UNITS.length - 1) {
    value /= 1024;
    power += 1;
  }
  return unitFormat(language, UNITS[power] ?? "byte").format(value);
}

const dates = new Map<string, Intl.DateTimeFormat>();

/** A moment (RFC 3339) in the zone of who looks at it. */
export function formatDate(moment: string, language: string): string {
  let format = dates.get(language);
  if (!format) {
    format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    dates.set(language, format);
  }
  return format.format(new Date(moment));
}

/** Bytes a second. */
export function formatSpeed(speed: number, language: string): string {
  return `${formatSize(speed, language)}/${language === "ru" ? "с" : "s"}`;
}

/** Seconds, in the largest units that tell something: 3723 is `1:02:03`. */
export function formatTime(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const from = parts[0] ? 0 : 1;
  return parts
    .slice(from)
    .map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0")))
    .join(":");
}
