import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import * as curl from "../src/curl";

const ORIGIN = "http://localhost:8080";
const NAME = 'o\'dir/$(touch x) `y` "z" \\ é.txt';

/** The words that a shell makes of a command. */
function words(command: string): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }; ${command}`;
  const output = execFileSync("sh", ["-c", script], { env: { TOKEN: "the token" } });
  return output.toString().split("\0").slice(0, -1);
}

test.each(["", "a", "a b", "it's", "$(x)", "`x`", '"', "\\", "-é", "a\nb", "*", "~"])(
  "a quoted word is one word: %j",
  (word) => {
    expect(words(`curl ${curl.quoted(word)}`)).toEqual([word]);
  },
);

test("every command is what it says, whatever the name", () => {
  const url = `${ORIGIN}/api/files/o'dir/%24(touch%20x)%20%60y%60%20%22z%22%20%5C%20%C3%A9.txt`;
  const auth = ["-H", "X-Auth-Token: the token"];
  const local = '$(touch x) `y` "z" \\ é.txt';
  expect(words(curl.curlDownload(ORIGIN, NAME))).toEqual([
    ...auth,
    "--fail",
    "--output",
    local,
    url,
  ]);
  expect(words(curl.curlDelete(ORIGIN, NAME))).toEqual([...auth, "-X", "DELETE", url]);
  expect(words(curl.curlUpload(ORIGIN, "o'dir/"))).toEqual([
    ...auth,
    "--upload-file",
    "FILE",
    `${ORIGIN}/api/files/o'dir/FILE`,
  ]);
  const [, , , json, place] = words(curl.curlShare(ORIGIN, NAME, 60));
  expect(JSON.parse(json ?? "")).toEqual({ name: NAME, expires_in: 60 });
  expect(place).toBe(`${ORIGIN}/api/links`);
  const list = new URL(words(curl.curlList(ORIGIN, "a b/&c/"))[2] ?? "");
  expect(Object.fromEntries(list.searchParams)).toEqual({
    prefix: "a b/&c/",
    delimiter: "/",
    details: "true",
  });
});
