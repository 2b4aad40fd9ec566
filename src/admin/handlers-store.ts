import type { Finding } from "../domain/index.ts";
import { checkDatabase, formatServer } from "../store/index.ts";
import { openDatabaseAccess, usesDatabase } from "./database.ts";
import type { Handlers } from "./handlers.ts";

type Names = "checkStore" | "moveStore";

const embedded: Finding = {
  code: "store-embedded",
  severity: "warning",
  subject: "store",
  text: "the store is in the home folder of the only Admin Node Manager: `gatehouse store migrate --to URL` moves it into PostgreSQL",
};

export const storeHandlers: Handlers<Names> = {
  async checkStore({ env, layout }) {
    if (!(await usesDatabase(layout)))
      return { kind: "embedded", servers: [], findings: [embedded] };
    const access = await openDatabaseAccess(layout);
    return {
      kind: "postgresql",
      servers: access.address.servers.map(formatServer),
      findings: await checkDatabase(access, () => env.clock.nowMs()),
    };
  },
  async moveStore(state) {
    const moved = await state.env.moveStore();
    state.log.info({ ...moved }, "the store was moved into a database");
    return moved;
  },
};
