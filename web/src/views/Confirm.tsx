import type { ComponentChildren } from "preact";
import { t } from "../i18n";
import { Dialog } from "./Dialog";

interface Props {
  question: string;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

/** A question before something that cannot be undone. */
export function Confirm({ question, action, onConfirm, onClose, children }: Props) {
  const confirm = () => {
    onClose();
    onConfirm();
  };
  return (
    <Dialog title={question} onClose={onClose}>
      {children}
      <div class="line">
        <button type="button" onClick={onClose}>
          {t("cancel")}
        </button>
        <button type="button" class="bad" onClick={confirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
