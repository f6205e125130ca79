/** The copies of files that the browser keeps, so that uploads go on by themselves after a reload. */

/** Where Uppy's recovery has them: contents and names, of all tabs. */
const DATABASE = "uppy-blobs";

/**
 * Remove them all. The recovery of a tab that runs still lets go of its database then, and gets no
 * other: so nothing is written after this that was begun before.
 */
export function dropCopies(): void {
  try {
    indexedDB.deleteDatabase(DATABASE);
  } catch {
    // A browser that lets the page store nothing has no copies.
  }
}
