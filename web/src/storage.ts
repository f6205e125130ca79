/** What the browser stores for the page, as far as it lets it: a touch of its stores may throw. */

export interface Store {
  get(key: string): string | null;
  /** Returns whether the browser has taken it; else it lasts as long as the document. */
  set(key: string, value: string): boolean;
  remove(key: string): void;
}

/** A store that `open` gets at, which throws where the browser allows none. */
function storeOf(open: () => Storage): Store {
  const refused = new Map<string, string>();
  return {
    get(key) {
      try {
        return open().getItem(key) ?? refused.get(key) ?? null;
      } catch {
        return refused.get(key) ?? null;
      }
    },
    set(key, value) {
      try {
        open().setItem(key, value);
        refused.delete(key);
        return true;
      } catch {
        refused.set(key, value);
        return false;
      }
    },
    remove(key) {
      refused.delete(key);
      try {
        open().removeItem(key);
      } catch {
        // Then it holds nothing either.
      }
    },
  };
}

/** Of this tab, gone when it is closed. */
export const tabStore = storeOf(() => sessionStorage);

/** Of all tabs, and of the next visit. */
export const deviceStore = storeOf(() => localStorage);
