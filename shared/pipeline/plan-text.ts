import { lookupTablesOf } from './enrich.ts';
import { foreverMs } from './join.ts';
import {
  type AggregatePlan,
  columnsOf,
  inputIdsOf,
  inputsOf,
  isStep,
  type JoinPlan,
  type Plan,
  type PlanNode,
  type ProcessPlan,
  type StepPlan,
  sourcesOf,
  sourcesOfInput,
  stepsOf,
} from './plan.ts';

/** A plan as lines of text: what is read, what each step keeps, and where it is placed and why. */
export function describePlan(plan: Plan, planHash: string): readonly string[] {
  const lines = [
    `pipeline ${plan.id}   plan ${planHash.slice(0, 8)}   ${plan.slots} slots of ${plan.groups} key groups`,
    '',
  ];
  for (const source of sourcesOf(plan)) {
    const idle =
      source.idleAfterMs === undefined
        ? 'waits for silent shards for ever'
        : `gives up silent shards after ${duration(source.idleAfterMs)}${source.whenSilent === 'advance' ? ', and goes on with the clock when all are silent' : ''}`;
    lines.push(
      `source ${source.id}`,
      `  reads ${source.formats.map(({ format }) => format).join(', ')}; out of order by up to ${duration(source.outOfOrdernessMs)}; ${idle}`,
      '',
    );
  }
  for (const { spec, freshnessMs, itemsMax } of lookupTablesOf(plan)) {
    const columns = spec.columns === undefined ? 'all attributes' : spec.columns.join(', ');
    lines.push(
      `table ${spec.name}`,
      `  items by ${spec.key.map(({ name }) => name).join(' and ')}: ${columns}; kept for up to ${duration(freshnessMs)}, ${itemsMax} of them in each process`,
      `  read in batches of up to 100 where they are not kept: a read unit for 4 KB; what was found is written for each batch: a write unit for 1 KB`,
      '',
    );
  }
  for (const step of stepsOf(plan)) {
    const { kept, derived } = columnsOf(step);
    lines.push(
      `step ${step.id}`,
      `  ${describeStep(step)}, ${describeEmit(step)}`,
      ...describeInputs(plan, step),
      `  columns ${[...kept, ...derived].join(', ')}`,
      ...('totals' in step ? [`  totalled over all keys: ${step.totals?.join(', ')}`] : []),
      ...(step.projection === undefined ? [] : [`  shown as ${step.projection.columns.join(', ')}`]),
      `  placed on ${step.placement}: ${step.reason}`,
      '',
    );
  }
  return lines.slice(0, -1);
}

function describeStep(step: StepPlan): string {
  switch (step.op) {
    case 'aggregate':
      return `${describeWindow(step)}, ${lateness(step)}`;
    case 'join':
      return `${describeJoin(step)}, ${lateness(step)}`;
    case 'process':
      return `${describeProcess(step)}, ${lateness(step)}`;
    case 'running':
      return 'over all records of each key, never final';
    case 'select':
      return `a row of each record${step.lateOf === undefined ? '' : ` that is late for ${step.lateOf}`}${step.isKeyed ? ', under its key' : ''}`;
    case 'top':
      return `the ${step.count}${step.ties === undefined ? '' : ' first and equal'} rows of each window of ${step.source} with the highest ${step.by}`;
  }
}

function lateness({ allowedLatenessMs }: StepPlan): string {
  if (allowedLatenessMs === foreverMs) return 'nothing late';
  return `allowed lateness ${duration(allowedLatenessMs)}`;
}

/** A step reads a stream, or the rows of another step; without a sink its own rows go nowhere but into others. */
function describeInputs(plan: Plan, step: StepPlan): readonly string[] {
  const names = [...new Set(inputsOf(step).flatMap(sourcesOfInput))];
  const readers = stepsOf(plan).filter((other) =>
    inputsOf(other).some((input) => sourcesOfInput(input).includes(step.id)),
  );
  const isChained = readers.length > 0 || names.some((name) => stepsOf(plan).some(({ id }) => id === name));
  if (!isChained) return [];
  const rows = readers.length === 0 ? '' : `; its rows are read by ${readers.map(({ id }) => id).join(' and ')}`;
  return [`  reads ${names.join(' and ')}${rows}`];
}

function describeProcess({ does, inputs, ttlMs }: ProcessPlan): string {
  const [first, second] = inputs.map(({ input }) => input);
  const kept =
    ttlMs === undefined ? 'kept until they are deleted' : `dropped ${duration(ttlMs)} after a key's last record`;
  switch (does.kind) {
    case 'process':
      return `function with state of each key of ${first}, dropped ${duration(ttlMs ?? 0)} after the key's last record`;
    case 'throttle':
      return `at most ${does.limit} records in ${duration(does.perMs)} of each key of ${first}, ${does.burst} at once`;
    case 'dedupe':
      return `first record of each key of ${first}, others within ${duration(does.withinMs)} dropped`;
    case 'table-join':
      return `${does.join} join of ${second} with the table ${first}, versions ${kept}`;
  }
}

function describeJoin({ kind, left, right, lowerMs, upperMs }: JoinPlan): string {
  if (upperMs === foreverMs) return `${kind} join of all of ${left.input} and ${right.input}, kept for ever`;
  return `${kind} join of ${left.input} and ${right.input}, right time - left time in [${duration(lowerMs)}, ${duration(upperMs)}]`;
}

function describeWindow({ window }: AggregatePlan): string {
  switch (window.kind) {
    case 'tumbling':
      return `tumbling windows of ${duration(window.sizeMs)}`;
    case 'sliding':
      return `sliding windows of ${duration(window.sizeMs)} every ${duration(window.slideMs)}`;
    case 'cumulative':
      return `cumulative windows of up to ${duration(window.sizeMs)} in steps of ${duration(window.stepMs)}`;
    case 'calendar': {
      const from =
        window.weekStart === undefined ? '' : ` from ${window.weekStart === 'sunday' ? 'Sunday' : 'Monday'} on`;
      return `calendar windows of a ${window.unit}${from} in ${window.timeZone}`;
    }
    case 'count': {
      const rest = window.incomplete === 'emit' ? ', the last ones fewer' : '';
      return `every ${window.count} records of a key${rest}${forgotten(window.ttlMs)}`;
    }
    case 'global': {
      const shown = [
        ...(window.everyRecords === undefined ? [] : [`every ${window.everyRecords} records`]),
        ...(window.everyMs === undefined ? [] : [`every ${duration(window.everyMs)}`]),
        ...(window.everyArrivalMs === undefined ? [] : [`every ${duration(window.everyArrivalMs)} of arrival time`]),
      ];
      return `all records of a key, shown ${shown.join(' and ')}${forgotten(window.ttlMs)}`;
    }
    case 'session': {
      const most = window.maxLengthMs === undefined ? '' : ` and at most ${duration(window.maxLengthMs)} long`;
      return `sessions with a gap of ${duration(window.gapMs)}${most}`;
    }
  }
}

function forgotten(ttlMs: number | undefined): string {
  return ttlMs === undefined ? '' : `, given up ${duration(ttlMs)} after the last one`;
}

function describeEmit(step: StepPlan): string {
  if (step.op === 'join') return 'rows as pairs are found';
  if (step.op === 'process') return 'rows in the order of event time, behind the watermark';
  if (step.op === 'top') return 'rows when windows close';
  if (step.op === 'select') return 'rows as records come';
  if (step.op === 'running') return `rows refreshed every ${duration(step.refreshMs)}`;
  if (step.window.kind === 'global') return 'rows when they are triggered';
  if (step.emit === 'on-update') return `rows refreshed every ${duration(step.refreshMs)}`;
  const { early } = step;
  return `rows when windows close${early === undefined ? '' : `, early ones every ${duration(early.everyMs)} of ${early.time} time`}`;
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

function duration(ms: number): string {
  const [unit, length] = units.find(([, size]) => Math.abs(ms) >= size && ms % size === 0) ?? ['ms', 1];
  return `${ms / length} ${unit}`;
}

/** A plan as a Mermaid flow chart. */
export function drawPlan(plan: Plan): readonly string[] {
  const lines = ['flowchart LR'];
  const ids = new Map(plan.nodes.map((node, index) => [node.id, `n${index}`]));
  for (const node of plan.nodes) {
    lines.push(`  ${ids.get(node.id)}${shapeOf(node)}`);
    // What follows a key has crossed the exchange.
    for (const input of inputIdsOf(node))
      lines.push(`  ${ids.get(input)} ${isStep(node) ? '==>|exchange|' : '-->'} ${ids.get(node.id)}`);
    if (node.op === 'enrich') lines.push(`  ${ids.get(node.id)}t[("${node.table.name}")] -.-> ${ids.get(node.id)}`);
  }
  return lines;
}

function shapeOf(node: PlanNode): string {
  switch (node.op) {
    case 'source':
      return `[("${node.id}")]`;
    case 'aggregate':
      return `["${node.id}<br/>${describeWindow(node)}<br/>${node.placement}"]`;
    case 'join':
      return `["${node.id}<br/>${node.kind} join<br/>${node.placement}"]`;
    case 'process':
      return `["${node.id}<br/>${node.does.kind}<br/>${node.placement}"]`;
    case 'top':
      return `["${node.id}<br/>top ${node.count} by ${node.by}<br/>${node.placement}"]`;
    case 'running':
      return `["${node.id}<br/>running<br/>${node.placement}"]`;
    case 'select':
      return `["${node.id}<br/>select<br/>${node.placement}"]`;
    default:
      return `(["${node.op}"])`;
  }
}
