/** Getting at a file through a link: so the token is in no URL, and no file runs on this page. */

import { makeLink, pathOf } from "./api";
import { report } from "./notices";

/** Seconds that a link lasts which the page itself uses: a film is watched for a while. */
const LASTS = 6 * 3600;

/** Milliseconds between downloads. */
const PAUSE = 300;

/** The path at which the browser gets the file. */
export async function pathTo(name: string): Promise<string> {
  return pathOf(await makeLink(name, LASTS));
}

/** Let the browser save the file. */
export async function download(name: string): Promise<void> {
  try {
    const anchor = document.createElement("a");
    anchor.href = `${await pathTo(name)}?download`;
    anchor.download = "";
    anchor.click();
  } catch (error) {
    report(error, name);
  }
}

/** One after the other; the browser asks once whether it may. */
export async function downloadAll(names: readonly string[]): Promise<void> {
  for (const name of names) {
    await download(name);
    // Chromium drops a navigation that another one follows at once.
    await new Promise((go) => setTimeout(go, PAUSE));
  }
}
