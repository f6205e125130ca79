import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Notices } from "./Notices";

/** How many are open, one above the other. */
export const openDialogs = signal(0);

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/**
 * A modal dialog, open for as long as it is there; focus goes back to where it was. Notices are
 * told inside of the uppermost one: the rest of the page is out of reach.
 */
export function Dialog({ title, onClose, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [depth, setDepth] = useState(0);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    openDialogs.value += 1;
    setDepth(openDialogs.value);
    return () => {
      openDialogs.value -= 1;
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={element} aria-labelledby={heading} onClose={onClose}>
      <div class="inside">
        <h2 id={heading} class="name">
          {title}
        </h2>
        {children}
      </div>
      {depth === openDialogs.value && <Notices />}
    </dialog>
  );
}
