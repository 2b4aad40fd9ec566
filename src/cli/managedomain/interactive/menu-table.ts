import type { CommandName } from "../option-table.ts";

/** One question of a menu option, and the parameter that its answer becomes. */
export interface MenuQuestion {
  readonly parameter: string;
  readonly question: string;
  /** An empty answer leaves the parameter out; absent: it is asked again. */
  readonly isOptional?: true;
  /** Nothing shows what is typed; an empty answer leaves the parameter out. */
  readonly isSecret?: true;
  /** `yes` gives the parameter, which takes no value. */
  readonly isFlag?: true;
}

export interface MenuOption {
  readonly number: number;
  readonly title: string;
  /** Null: the menu does it itself, or this version does not, and `later` says what stands for it. */
  readonly command: CommandName | null;
  readonly later?: string;
  readonly questions: readonly MenuQuestion[];
}

const instance: readonly MenuQuestion[] = [
  { parameter: "name", question: "Name of the instance" },
  { parameter: "group", question: "Name of its group" },
];
const named = (parameter: string, question: string): MenuQuestion => ({ parameter, question });
const optional = (parameter: string, question: string): MenuQuestion => ({
  parameter,
  question: `${question} (empty: as it is)`,
  isOptional: true,
});
const secret = (parameter: string, question: string): MenuQuestion => ({
  parameter,
  question,
  isSecret: true,
});
const archives =
  "archives and their deployment are not in this version: `gatehouse group configure NAME -f FILE.json` sets what a group serves";

/** The documented options under their numbers; 1 and 4 are asked for in the menu itself. */
export const menuOptions: readonly MenuOption[] = [
  { number: 1, title: "Register host", command: "add", questions: [] },
  {
    number: 2,
    title: "Edit a host",
    command: "edit_host",
    questions: [
      named("host", "Name of the host"),
      optional("new_name", "New host name"),
      optional("nm_name", "New Node Manager name"),
      optional("port", "New Node Manager port"),
      { parameter: "is_admin", question: "Should it be an Admin Node Manager?", isFlag: true },
    ],
  },
  {
    number: 3,
    title: "Delete a host",
    command: "delete_host",
    questions: [named("host", "Name of the host")],
  },
  { number: 4, title: "Change connection details", command: null, questions: [] },
  {
    number: 5,
    title: "Create API Gateway instance",
    command: "create_instance",
    questions: [
      ...instance,
      optional("host", "Host"),
      optional("instance_management_port", "Local management port"),
      optional("instance_services_port", "External traffic port"),
      secret("passphrase", "Passphrase of the group (empty: none, or known there)"),
    ],
  },
  {
    number: 6,
    title: "Edit API Gateway instance",
    command: "edit_instance",
    questions: [
      ...instance,
      optional("new_name", "New name"),
      optional("instance_management_port", "New management port"),
    ],
  },
  {
    number: 7,
    title: "Delete API Gateway instance",
    command: "delete_instance",
    questions: instance,
  },
  {
    number: 8,
    title: "Add a tag to API Gateway",
    command: "add_tag",
    questions: [...instance, named("tag", "Name of the tag"), named("value", "Value of the tag")],
  },
  {
    number: 9,
    title: "Delete a tag from API Gateway",
    command: "delete_tag",
    questions: [...instance, named("tag", "Name of the tag")],
  },
  {
    number: 10,
    title: "Add script or service",
    command: "add_service_only",
    questions: [optional("service_user", "User that runs it")],
  },
  {
    number: 11,
    title: "Edit a group",
    command: "edit_group",
    questions: [named("group", "Name of the group"), named("new_name", "New name")],
  },
  {
    number: 12,
    title: "Delete a group",
    command: "delete_group",
    questions: [named("group", "Name of the group")],
  },
  { number: 13, title: "Print topology", command: "print_topology", questions: [] },
  { number: 14, title: "Check topologies are in synch", command: "topology_check", questions: [] },
  { number: 15, title: "Compare topologies", command: "topology_compare", questions: [] },
  { number: 16, title: "Synch all topologies", command: "topology_synch", questions: [] },
  { number: 17, title: "Reset the local topology", command: "reset", questions: [] },
  { number: 18, title: "Deploy to a group", command: null, later: archives, questions: [] },
  {
    number: 19,
    title: "List deployment information",
    command: null,
    later: archives,
    questions: [],
  },
  { number: 20, title: "Create deployment archive", command: null, later: archives, questions: [] },
  {
    number: 21,
    title: "Download deployment archive",
    command: null,
    later: archives,
    questions: [],
  },
  {
    number: 22,
    title: "Update deployment archive properties",
    command: null,
    later: archives,
    questions: [],
  },
  {
    number: 23,
    title: "Change group configuration passphrase",
    command: "change_passphrase",
    questions: [
      named("group", "Name of the group"),
      secret("old_passphrase", "Old passphrase (empty: there is none)"),
    ],
  },
  {
    number: 24,
    title: "Regenerate SSL certificates on localhost",
    command: "regen_certs",
    questions: [],
  },
  {
    number: 25,
    title: "Sign a certificate signing request",
    command: "sign_csr",
    questions: [named("csr", "File with the request")],
  },
  {
    number: 26,
    title: "Submit externally signed certificate",
    command: "submit_cert",
    questions: [named("cert", "File with the certificate")],
  },
];
