import { formatName } from "../name-text.ts";
import { namesEqual } from "../name.ts";
import type { Lint } from "./lint.ts";

export const newRootSubject: Lint = {
  rule: "new-root-subject",
  source: "design: a new root gets a new subject name",
  problem({ certificate: { subject }, issuer, earlierRoots }) {
    return issuer === null && earlierRoots.some((root) => namesEqual(root.subject, subject))
      ? `an earlier root has the same name, ${formatName(subject)}; choose another one`
      : null;
  },
};
