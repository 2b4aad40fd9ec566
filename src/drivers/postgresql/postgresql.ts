import { isDomainError } from "../../kit/index.ts";
import type { DriverCode } from "../driver-code.ts";
import { takeRole } from "./roles.ts";
import { serverAt } from "./server.ts";
import { statusOf } from "./status.ts";

/** PostgreSQL, alone or as a pair with streaming replication. */
export const postgresql: DriverCode = {
  takeRole,
  status: async (member) => {
    try {
      return await statusOf(serverAt(member), member.others.length > 0);
    } catch (error) {
      if (isDomainError(error, "unreachable")) return null;
      throw error;
    }
  },
};
