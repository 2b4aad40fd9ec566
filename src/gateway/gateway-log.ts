import type { Logger } from "pino";

/** What the parts of an instance log with. */
export type GatewayLog = Pick<Logger, "info" | "warn" | "error">;
