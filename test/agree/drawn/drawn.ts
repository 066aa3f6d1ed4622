import { contractOf } from '#shared/pipeline/contract.ts';
import { diffContracts } from '#shared/pipeline/contract-diff.ts';
import { describePlan } from '#shared/pipeline/plan-text.ts';
import { openDatabase } from '#shared/testing/batch/database.ts';
import { type Built, build, fileOf } from './build.ts';
import { drawPipeline } from './draw.ts';
import type { Drawn } from './drawing.ts';
import { type Asked, answerOf, lessOf, questions } from './questions.ts';
import { drawHistory } from './records.ts';

/** What came of one pipeline. */
export interface Trial {
  readonly histories: number;
  readonly records: number;
  /** How many answers there are. */
  readonly answers: number;
  /** As lines for a person: what differs, the pipeline, and the records in their order. */
  readonly difference?: readonly string[];
}

/** So many lines of one difference. */
const shownMax = 8;

/** Draws a pipeline and some histories, and asks all questions. Stops at the first answer that is wrong. */
export async function tryPipeline(seed: number, histories: number): Promise<Trial> {
  const drawn = drawPipeline(seed);
  const done = { histories: 0, records: 0, answers: 0 };
  let built: Built;
  try {
    built = build(drawn);
  } catch (error) {
    return { ...done, difference: [`the builder refuses it: ${(error as Error).message}`, fileOf(drawn)] };
  }
  const wrong = planDifference(drawn, built);
  if (wrong !== undefined) return { ...done, difference: [wrong, fileOf(drawn)] };
  const database = await openDatabase();
  try {
    for (let number = 0; number < histories; number += 1) {
      const ofHistory = seed * 1_000 + number;
      const history = drawHistory(drawn, built, ofHistory);
      done.histories += 1;
      done.records += history.records.length;
      const asked: Asked = { seed: ofHistory, drawn, pipeline: built.pipeline, history, database };
      for (const [name, question] of Object.entries(questions)) {
        const lines = await answerOf(question, asked);
        if (lines === undefined) continue;
        done.answers += 1;
        if (lines.length === 0) continue;
        const less = await lessOf(asked, question);
        return { ...done, difference: shownOf(`not so: ${name}`, less) };
      }
    }
    return done;
  } finally {
    database.close();
  }
}

function shownOf(name: string, { asked, lines }: Awaited<ReturnType<typeof lessOf>>): readonly string[] {
  return [
    name,
    ...lines.slice(0, shownMax).map((line) => `  ${line}`),
    fileOf(asked.drawn, Object.keys(asked.pipeline.outputs)),
    'the records, in their order:',
    ...asked.history.records.map(({ stream, record }) => `${stream} ${JSON.stringify(record)}`),
  ];
}

/** A plan is the same whenever it is made, survives as JSON, and can be told. */
function planDifference(drawn: Drawn, { pipeline }: Built): string | undefined {
  const again = build(drawn).pipeline;
  const [one, other] = [pipeline, again].map(({ plan }) => JSON.stringify(plan));
  if (one !== other || pipeline.planHash !== again.planHash) return 'built again it has another plan';
  const read = JSON.parse(JSON.stringify(contractOf(pipeline.plan))) as ReturnType<typeof contractOf>;
  if (diffContracts(read, contractOf(again.plan)).length > 0) return 'its contract differs from itself as JSON';
  const text = describePlan(pipeline.plan, pipeline.planHash).join('\n');
  const missing = Object.keys(pipeline.outputs).find((view) => !text.includes(view));
  return missing === undefined ? undefined : `its plan as text says nothing of ${missing}`;
}
