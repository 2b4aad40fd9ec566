import { join } from "node:path";
import Database from "better-sqlite3";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { describeStore } from "../../../test/conformance/store.ts";
import { openSqliteStore } from "./open.ts";

describeStore("sqlite", {
  place: tempFolder,
  open: (folder, { writer, clock, transactionMsMax }) =>
    openSqliteStore({
      folder,
      writer,
      clock,
      ...(transactionMsMax === undefined ? {} : { limits: { transactionMsMax } }),
    }),
  writerProgram: new URL("../../../test/support/issue-until-killed.ts", import.meta.url),
  tamper: async (folder, sql) => {
    const db = new Database(join(folder, "gatehouse.db"));
    db.exec(sql);
    db.close();
  },
});
