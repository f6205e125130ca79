/** Getting at a file through a link: so the token is in no URL, and no file runs on this page. */

import { makeLink, pathOf } from "./api";
import { report } from "./notices";

/** Seconds that a link lasts which the page itself uses: a film is watched for a while. */
const LASTS = 6 * 3600;

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
