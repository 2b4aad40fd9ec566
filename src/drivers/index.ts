export { acceptsProbe } from "./accepts-probe.ts";
export { userIds } from "./accounts.ts";
export { formMember, takeRole, valueMistakes, valueNotes } from "./code.ts";
export type { Description } from "./description.ts";
export type { DriverCode, MemberAt, PeerMember, ProbeCredential } from "./driver-code.ts";
export type { ExaminationContext } from "./examination.ts";
export { examineMember } from "./examine.ts";
export type { ServerState } from "./install.ts";
export { readFound, type FoundCredential } from "./found.ts";
export { memberAt } from "./member-at.ts";
export {
  installedState,
  installGenerationOf,
  recoverMember,
  restoreFiles,
  type InstalledState,
  type MemberGeneration,
} from "./member.ts";
export type { ChangedFile } from "./member-files.ts";
export { parseStatus } from "./parse-status.ts";
export { checkDescription, readDescription } from "./read-description.ts";
export { readStatus } from "./read-status.ts";
export { renderFiles, type Material, type RenderedFile } from "./render-files.ts";
export { readRevocationLists } from "./revocation-lists.ts";
export { foreignEnvironment, runCommand, type CommandResult } from "./run-command.ts";
export { fingerprintOf, servedFingerprint, type Shown } from "./served.ts";
export { shownBy } from "./shown-by.ts";
export { shippedDriver, shippedDrivers } from "./shipped.ts";
export { traitsOf } from "./traits.ts";
export { resolveDescription, resolveValues } from "./variables.ts";
