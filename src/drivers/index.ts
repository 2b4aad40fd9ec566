export type { Description } from "./description.ts";
export { parseStatus, type MemberStatus } from "./parse-status.ts";
export { readDescription } from "./read-description.ts";
export { renderFiles, type Material, type RenderedFile } from "./render-files.ts";
export { resolveDescription } from "./variables.ts";
