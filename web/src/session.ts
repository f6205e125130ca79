/**
 * Who is asking: the token, where it is kept, and which tab this is.
 *
 * All tabs that have a token agree about it: what one does to it, it tells the others.
 */

import { type Signal, signal } from "@preact/signals";
import { dropCopies } from "./copies";
import { deviceStore, type Store, tabStore } from "./storage";

const TOKEN = "file-uploader.token";
const UNSAVED = "file-uploader.unsaved";
const TAB = "file-uploader.tab";
const CHANNEL = "file-uploader.token";

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The nil and the max UUID are refused by the server: strangers would share them. */
const PLACEHOLDER = /^[0-]+$|^[f-]+$/;

/** Milliseconds that another tab's message may take to a tab that wakes up. */
const LATE = 1000;

/** A token that was made here and that nobody has saved yet: without files, or with some. */
export type Unsaved = "unused" | "used";

/** What a tab tells the others about its token. */
interface News {
  token: string;
  what: "kept" | "unkept" | "noted" | "forgotten";
  unsaved: Unsaved | null;
}

export interface Channel {
  postMessage(news: News): void;
  onmessage: ((message: MessageEvent<News>) => void) | null;
}

/** The session of one tab. */
export class Session {
  readonly token: Signal<string | null> = signal(null);
  /** Whether the token is kept on this device when the tab is closed. */
  readonly kept = signal(false);
  readonly unsaved: Signal<Unsaved | null> = signal(null);
  /** What happened to the token last that was not done in this tab. */
  readonly elsewhere: Signal<"forgotten" | "unkept" | null> = signal(null);

  constructor(
    private readonly tab: Store,
    private readonly device: Store,
    private readonly channel: Channel | null,
    private readonly dropCopies: () => void,
  ) {
    this.token.value = tab.get(TOKEN) ?? device.get(TOKEN);
    this.kept.value = this.isOnDevice();
    this.unsaved.value = this.place().get(UNSAVED) as Unsaved | null;
    // Left by a tab that crashed, or by an earlier version.
    if (device.get(TOKEN) === null) dropCopies();
    if (channel) channel.onmessage = ({ data }) => this.hear(data);
  }

  /** Work with a token that somebody has. Returns whether it is kept if that was asked for. */
  signIn(value: string, keep: boolean): boolean {
    return this.begin(value, keep, null);
  }

  /** Begin with a new token that nobody has seen yet. Returns as `signIn` does. */
  signUp(keep: boolean): boolean {
    return this.begin(newToken(), keep, "unused");
  }

  /** Keep the token on this device, or for this tab only. Returns as `signIn` does. */
  keep(keep: boolean): boolean {
    const token = this.token.value;
    if (token === null) return !keep;
    this.elsewhere.value = null;
    if (keep) {
      const before = this.device.get(TOKEN);
      if (before !== null && before !== token) this.dropCopies();
      this.kept.value = this.device.set(TOKEN, token);
      if (!this.kept.value) this.device.remove(TOKEN);
    } else this.leaveDevice();
    this.settle();
    this.tell(this.kept.value ? "kept" : "unkept");
    return this.kept.value === keep;
  }

  /** The token has files from now on. */
  noteUse(): void {
    if (this.unsaved.value === "unused") this.setUnsaved("used");
  }

  /** Somebody has saved the token. */
  noteSaved(): void {
    if (this.unsaved.value !== null) this.setUnsaved(null);
  }

  /** Forget the token in all tabs, and with it what they had begun. */
  signOut(): void {
    this.tell("forgotten");
    this.leaveDevice();
    this.end();
  }

  /** Look whether the device has the token still: its data can be removed behind the page. */
  check(): void {
    if (this.kept.value && !this.isOnDevice()) this.lose();
  }

  /**
   * Names what this tab keeps for itself to recover after a reload: another tab, or another token
   * in this one, must not take its uploads for their own.
   */
  tabId(): string {
    let id = this.tab.get(TAB);
    if (id === null) {
      id = newToken();
      this.tab.set(TAB, id);
    }
    return id;
  }

  private begin(value: string, keep: boolean, unsaved: Unsaved | null): boolean {
    this.token.value = value;
    this.unsaved.value = unsaved;
    return this.keep(keep);
  }

  private end(): void {
    for (const key of [TOKEN, UNSAVED, TAB]) this.tab.remove(key);
    this.kept.value = false;
    this.unsaved.value = null;
    this.token.value = null;
  }

  private lose(): void {
    this.kept.value = false;
    this.elsewhere.value = "unkept";
    this.settle();
  }

  private setUnsaved(unsaved: Unsaved | null): void {
    this.unsaved.value = unsaved;
    this.settle();
    this.tell("noted");
  }

  private isOnDevice(): boolean {
    return this.token.value !== null && this.device.get(TOKEN) === this.token.value;
  }

  /** Copies are of the token that is kept only. Another tab may keep another one, which stays. */
  private leaveDevice(): void {
    this.kept.value = false;
    if (!this.isOnDevice()) return;
    this.dropCopies();
    for (const key of [TOKEN, UNSAVED]) this.device.remove(key);
  }

  private place(): Store {
    return this.kept.value ? this.device : this.tab;
  }

  /** Have the token in one place: on the device, where who keeps it has put it, or with this tab. */
  private settle(): void {
    if (this.kept.value) for (const key of [TOKEN, UNSAVED]) this.tab.remove(key);
    else if (this.token.value !== null) this.tab.set(TOKEN, this.token.value);
    if (this.unsaved.value === null) this.place().remove(UNSAVED);
    else this.place().set(UNSAVED, this.unsaved.value);
  }

  private tell(what: News["what"]): void {
    const [token, unsaved] = [this.token.value, this.unsaved.value];
    if (token !== null) this.channel?.postMessage({ token, what, unsaved });
  }

  /** What the others have written to the device may be seen here only later than they tell it. */
  private hear({ token, what, unsaved }: News): void {
    if (token !== this.token.value) {
      if (what !== "kept") return;
      if (this.kept.value) this.lose();
      if (this.token.value !== null) return;
      this.elsewhere.value = null;
      this.token.value = token;
    }
    if (what === "forgotten") {
      this.elsewhere.value = "forgotten";
      this.end();
      return;
    }
    if (what !== "noted") this.kept.value = what === "kept";
    this.unsaved.value = unsaved;
    this.settle();
  }
}

function openChannel(): Channel | null {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null;
  }
}

/** The session of this tab. */
export const session = new Session(tabStore, deviceStore, openChannel(), dropCopies);
export const { token, kept, unsaved, elsewhere } = session;

/** Look after the session when the tab is seen again. */
export function watch(): void {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) setTimeout(() => session.check(), LATE);
  });
}

/** A random UUID (RFC 9562, version 4); `crypto.randomUUID` is not there over plain HTTP. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The token in what somebody typed or pasted, or null. */
export function readToken(text: string): string | null {
  const found = text.trim().toLowerCase();
  return FORM.test(found) && !PLACEHOLDER.test(found) ? found : null;
}
