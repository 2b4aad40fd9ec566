export { type DrainTimes } from "./drain.ts";
export { defaultLimits, type ForwardLimits } from "./forward.ts";
export { Gateway, type GatewayOptions } from "./gateway.ts";
export { type GatewayLog } from "./gateway-log.ts";
export { type RunRecord } from "./run-record.ts";
