import type { DriverCode } from "../driver-code.ts";
import { adminMistakes } from "./admin-port.ts";
import { settingsMistakes, settingsNotes } from "./check-settings.ts";
import { examineAmlen, usedFiles } from "./examine.ts";
import { formMember } from "./form.ts";
import { readMember } from "./read-member.ts";
import { restartMember } from "./restart.ts";
import { foldersOnHost } from "./server-cfg.ts";
import { shownByMember } from "./shows.ts";

/** Eclipse Amlen: pairs and clusters, configured and restarted over its admin port. */
export const amlenCode: DriverCode = {
  mistakes: ({ values, settings = {} }) => [
    ...adminMistakes(values),
    ...settingsMistakes(settings),
  ],
  notes: ({ settings = {} }) => settingsNotes(settings),
  valuesOnHost: foldersOnHost,
  form: formMember,
  restart: restartMember,
  shows: shownByMember,
  usesFile: usedFiles,
  examine: examineAmlen,
  status: readMember,
};
