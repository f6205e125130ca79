/** Deleting many files, and folders with everything in them. */

import { deleteFile, namesBelow } from "./api";
import { t } from "./i18n";
import { noteDeleted } from "./listing";
import { inform, report } from "./notices";

const AT_ONCE = 4;

/**
 * Delete files and, where a name ends in a slash, all files below it. The first failure ends it:
 * what is left is still shown.
 */
export async function deleteAll(names: readonly string[]): Promise<void> {
  let count = 0;
  try {
    for (const name of names.filter((each) => each.endsWith("/"))) {
      for await (const some of namesBelow(name)) count += await deleteFiles(some);
      noteDeleted(new Set([name]));
    }
    count += await deleteFiles(names.filter((each) => !each.endsWith("/")));
  } catch (error) {
    report(error);
  }
  if (count > 0) inform(t("deleted", { count: String(count) }));
}

async function deleteFiles(names: readonly string[]): Promise<number> {
  const waiting = [...names];
  const gone = new Set<string>();
  const work = async () => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      await deleteFile(name);
      gone.add(name);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } catch (error) {
    waiting.length = 0;
    throw error;
  } finally {
    noteDeleted(gone);
  }
  return gone.size;
}
