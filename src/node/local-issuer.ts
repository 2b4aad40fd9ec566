import { createServer, request as httpRequest } from "node:http";
import { pino } from "pino";
import { DomainError, errorCodes, type ErrorCode, type ProcessId } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { isAuthorityCertificate, type Certificate } from "../pki/index.ts";
import type { Passphrases } from "../keys/index.ts";
import type { SubmissionView } from "../contract/index.ts";
import {
  answerQuestion,
  answers,
  controlSocketPath,
  lockHome,
  type IssuingQuestion,
} from "./control-socket.ts";
import { InstanceLinks } from "./instance-link.ts";
import { Instances } from "./instances.ts";
import { LocalIssuing } from "./local-issuing.ts";
import { openNodeState } from "./node-state.ts";

/** Gives this host certificates without an Admin Node Manager; see `LocalIssuing`. */
export interface LocalIssuer {
  request(of: {
    readonly processes: readonly ProcessId[];
    readonly signer: Certificate | null;
  }): ReturnType<LocalIssuing["request"]>;
  /** `rest`: those for other keys, with those of CAs; empty if all were for keys of this host. */
  take(
    certificates: readonly Certificate[],
  ): Promise<{ readonly submissions: SubmissionView[]; readonly rest: readonly Certificate[] }>;
  keepForLater(certificates: readonly Certificate[]): Promise<SubmissionView[]>;
  close(): void;
}

const answerMsMax = 60_000;

/**
 * The Node Manager that runs on a home, or, where none does, the home itself, locked until `close`.
 * `passphrases`: of its keys, if they are needed. Throws `home-missing`, `home-locked`, `forbidden`
 * for another user's, `unauthenticated`.
 */
export async function openLocalIssuer(
  home: string,
  passphrases: (layout: HomeLayout) => Promise<Passphrases | null>,
): Promise<LocalIssuer> {
  const layout = homeLayout(home);
  const socketPath = controlSocketPath(layout.run);
  const isRunning = await answers(socketPath);
  const { ask, close } = isRunning
    ? { ask: (question: IssuingQuestion) => askNode(socketPath, question), close: () => {} }
    : await openOffline(home, await passphrases(layout));
  const text = ({ der }: Certificate): string => Buffer.from(der).toString("base64");
  return {
    request: ({ processes, signer }) =>
      ask({ do: "request", processes, signer: signer && text(signer) }) as ReturnType<
        LocalIssuing["request"]
      >,
    async take(certificates) {
      const question = { do: "take", certificates: certificates.map(text) } as const;
      const all = (await ask(question)) as SubmissionView[];
      // Answered in their order, without those of CAs.
      const leaves = certificates.filter((each) => !isAuthorityCertificate(each));
      const others = leaves.filter((_leaf, i) => all[i]?.id === null);
      const isRest = (each: Certificate) => others.includes(each) || !leaves.includes(each);
      return {
        submissions: all.filter(({ id }) => id !== null),
        rest: others.length === 0 ? [] : certificates.filter(isRest),
      };
    },
    keepForLater: (certificates) =>
      ask({ do: "keep", certificates: certificates.map(text) }) as Promise<SubmissionView[]>,
    close,
  };
}

async function openOffline(
  home: string,
  passphrases: Passphrases | null,
): Promise<{ ask: (question: IssuingQuestion) => Promise<unknown>; close: () => void }> {
  const state = await openNodeState(home, () => pino({ level: "silent" }), passphrases);
  // A Node Manager that is started meanwhile finds the home taken.
  const lock = createServer((_request, response) => void response.writeHead(503).end());
  await lockHome(state, lock);
  const issuing = new LocalIssuing(state, new Instances(state, new InstanceLinks(state)));
  return {
    ask: (question) => answerQuestion(issuing, question),
    close: () => void lock.close(),
  };
}

function askNode(socketPath: string, question: IssuingQuestion): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      { socketPath, method: "POST", path: "/issuing", timeout: answerMsMax },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.once("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(refusalFrom(text));
        });
      },
    );
    call.once("timeout", () =>
      call.destroy(new DomainError("timeout", "the Node Manager of this host does not answer")),
    );
    call.once("error", (cause) =>
      reject(
        cause instanceof DomainError
          ? cause
          : new DomainError("not-running", "the Node Manager of this host has ended meanwhile", {
              cause,
            }),
      ),
    );
    call.end(JSON.stringify(question));
  });
}

function refusalFrom(text: string): DomainError {
  const { code, message } = JSON.parse(text) as { code: ErrorCode; message: string };
  return new DomainError(code in errorCodes ? code : "internal", message);
}
