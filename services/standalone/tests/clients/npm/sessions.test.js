import assert from "node:assert/strict";
import { test } from "node:test";

import {
  deleteSession,
  deleteSessions,
  getSession,
  getSessionTurns,
  listSessions,
} from "@arizeai/phoenix-client/sessions";

import { at, client, record, unique } from "./target.js";

const turn = (session, number) => ({
  name: `turn ${session} ${number}`,
  start: number * 10,
  end: number * 10 + 5,
  attributes: {
    "session.id": session,
    "input.value": `question ${number}`,
    "output.value": `answer ${number}`,
  },
});

test("a session has its traces and turns", async () => {
  const [projectName, session] = [unique("session"), unique("id")];
  const ids = await record(projectName, [turn(session, 1), turn(session, 2)]);
  const found = await getSession({ client, sessionId: session });
  assert.equal(found.sessionId, session);
  assert.equal(new Date(found.startTime).getTime(), at(10).getTime());
  assert.equal(new Date(found.endTime).getTime(), at(25).getTime());
  assert.deepEqual(
    found.traces.map((trace) => trace.traceId),
    Object.values(ids).map((id) => id.traceId),
  );
  assert.deepEqual(await getSession({ client, sessionId: found.id }), found);

  const turns = await getSessionTurns({ client, sessionId: session });
  assert.deepEqual(
    turns.map(({ input, output }) => [input.value, output.value]),
    [["question 1", "answer 1"], ["question 2", "answer 2"]],
  );
});

test("sessions are listed and deleted", async () => {
  const projectName = unique("sessions");
  const names = [1, 2, 3, 4].map((number) => unique(`id-${number}`));
  await record(projectName, names.map((name, index) => turn(name, index)));
  const listed = async () => (await listSessions({ client, project: projectName })).map(({ sessionId }) => sessionId);
  assert.deepEqual(await listed(), names);

  await deleteSession({ client, sessionId: names[0] });
  assert.deepEqual(await listed(), names.slice(1));
  await assert.rejects(getSession({ client, sessionId: names[0] }));

  await deleteSessions({ client, sessionIds: names.slice(1, 3) });
  assert.deepEqual(await listed(), names.slice(3));
});
