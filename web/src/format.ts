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

/** A number of bytes in decimal units: 1,234,567 is 1.23 MB. */
export function formatSize(bytes: number, language: string): string {
  let power = 0;
  let value = bytes;
  while (value >= 999.5 && power < UNITS.length - 1) {
    value /= 1000;
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
