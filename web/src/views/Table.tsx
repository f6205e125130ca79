import { useEffect, useRef, useState } from "preact/hooks";
import { goTo } from "../address";
import { type Entry, type FileEntry, isFolder, nameOf } from "../api";
import { formatDate, formatSize } from "../format";
import { language, t } from "../i18n";
import {
  type Column,
  chooseOrder,
  complete,
  folder,
  loadMore,
  order,
  search,
  select,
  selection,
  selectShown,
  shown,
} from "../listing";
import { lastSegment } from "../names";
import { download } from "../opening";

/** Pixels; the same as `--row` in the style. */
const ROW = 44;

/** Rows before and after those in view that exist too, so that Tab finds them. */
const MARGIN = 8;

/** The entries of the folder. Only rows in view exist, however many there are. */
export function Table({ onOpen }: { onOpen: (file: FileEntry) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: 40 });
  const entries = shown.value;

  const look = () => {
    const element = scroller.current;
    if (!element) return;
    const from = Math.max(0, Math.floor(element.scrollTop / ROW) - MARGIN);
    const to = Math.ceil((element.scrollTop + element.clientHeight) / ROW) + MARGIN;
    setRange((before) => (before.from === from && before.to === to ? before : { from, to }));
  };
  useEffect(() => {
    scroller.current?.scrollTo(0, 0);
  }, [folder.value, search.value]);
  useEffect(look, [entries]);
  useEffect(() => {
    if (range.to >= entries.length && !complete.value) loadMore();
  }, [range, entries, complete.value]);

  const all = entries.length > 0 && selection.value.size === entries.length;
  return (
    <div class="table" role="table" aria-labelledby="files" aria-rowcount={rowCount(entries)}>
      <div role="rowgroup">
        <div class="row head" role="row" aria-rowindex={1}>
          <div role="columnheader">
            <input
              type="checkbox"
              aria-label={t("selectAll")}
              checked={all}
              onChange={(event) => selectShown(event.currentTarget.checked)}
            />
          </div>
          <Head column="name" title={t("name")} />
          <Head column="size" title={t("size")} class="number" />
          <Head column="modified" title={t("modified")} class="modified" />
          <div role="columnheader" class="actions">
            <span class="hidden">{t("download")}</span>
          </div>
        </div>
      </div>
      <div class="rows" ref={scroller} onScroll={look}>
        <div role="rowgroup" style={{ height: `${entries.length * ROW}px` }}>
          {entries.slice(range.from, range.to).map((entry, index) => (
            <Row
              key={nameOf(entry)}
              entry={entry}
              index={range.from + index}
              selected={selection.value.has(nameOf(entry))}
              onOpen={onOpen}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

/** With the head; -1 where it is not known yet. */
function rowCount(entries: readonly Entry[]): number {
  return complete.value ? entries.length + 1 : -1;
}

function Head({ column, title, ...more }: { column: Column; title: string; class?: string }) {
  const { by, down } = order.value;
  const sorted = by === column ? (down ? "descending" : "ascending") : "none";
  return (
    <div role="columnheader" aria-sort={sorted} {...more}>
      <button type="button" class="plain" onClick={() => chooseOrder(column)}>
        {title}
        <span aria-hidden="true">{{ none: "", ascending: " ↑", descending: " ↓" }[sorted]}</span>
      </button>
    </div>
  );
}

function Icon({ folder }: { folder: boolean }) {
  const path = folder ? "M1 3h5l2 2h7v9H1z" : "M3 1h7l3 3v11H3zM9.500 2v3h3";
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={path} fill={folder ? "currentColor" : "none"} stroke="currentColor" />
    </svg>
  );
}

interface RowProps {
  entry: Entry;
  index: number;
  selected: boolean;
  onOpen: (file: FileEntry) => void;
}

function Row({ entry, index, selected, onOpen }: RowProps) {
  const name = nameOf(entry);
  const label = lastSegment(name);
  return (
    <div class="row" role="row" aria-rowindex={index + 2} style={{ top: `${index * ROW}px` }}>
      <div role="cell">
        <input
          type="checkbox"
          aria-label={t("select", { name: label })}
          checked={selected}
          onChange={(event) => select(name, event.currentTarget.checked)}
        />
      </div>
      <div role="cell">
        <button
          type="button"
          class="plain name"
          title={label}
          aria-label={t("open", { name: label })}
          onClick={() => (isFolder(entry) ? goTo(name) : onOpen(entry))}
        >
          <Icon folder={isFolder(entry)} />
          {label}
        </button>
      </div>
      <div role="cell" class="number">
        {isFolder(entry) ? t("folder") : formatSize(entry.size, language.value)}
      </div>
      <div role="cell" class="modified quiet">
        {isFolder(entry) ? "" : formatDate(entry.last_modified, language.value)}
      </div>
      <div role="cell" class="actions">
        {!isFolder(entry) && (
          <button
            type="button"
            class="plain"
            aria-label={t("downloadNamed", { name: label })}
            onClick={() => download(name)}
          >
            {t("download")}
          </button>
        )}
      </div>
    </div>
  );
}
