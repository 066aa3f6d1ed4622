import { Duration } from 'aws-cdk-lib';
import { CfnScalingPolicy, ScalableTarget, ServiceNamespace } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { drainLoadTarget, fleetLoadExpression } from '#shared/engine/slots/drain.ts';
import type { Plan } from '#shared/pipeline/plan.ts';
import { metricNamespace } from '#shared/schemas/settings.ts';
import type { Sizing } from './props.ts';

/** New tasks restore state before they take load off the others: time to see what they change. */
const scaleOutCooldown = Duration.minutes(5);
const scaleInCooldown = Duration.minutes(10);

/** Whether there may be more tasks than there are at least. */
export function isScaled({ worker }: Sizing): boolean {
  return worker.tasksMax > worker.tasks;
}

/**
 * Scales the service to its drain load, between `tasks` and `tasksMax`. Target tracking over an expression, of which the CDK has no
 * construct: https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking-metric-math.html
 */
export function scaleOnDrainLoad(
  scope: Construct,
  { service, plan, sizing }: { readonly service: FargateService; readonly plan: Plan; readonly sizing: Sizing },
): void {
  const { tasks, tasksMax } = sizing.worker;
  const target = new ScalableTarget(scope, 'Tasks', {
    serviceNamespace: ServiceNamespace.ECS,
    resourceId: `service/${service.cluster.clusterName}/${service.serviceName}`,
    scalableDimension: 'ecs:service:DesiredCount',
    minCapacity: tasks,
    maxCapacity: tasksMax,
  });
  target.node.addDependency(service);
  const dimensions = [
    { name: 'pipeline', value: plan.id },
    { name: 'stage', value: 'window' },
    { name: 'placement', value: 'fargate' },
  ];
  const metric = (
    id: string,
    metricName: string,
    stat: string,
  ): CfnScalingPolicy.TargetTrackingMetricDataQueryProperty => ({
    id,
    metricStat: { metric: { namespace: metricNamespace, metricName, dimensions }, stat },
    returnData: false,
  });
  new CfnScalingPolicy(scope, 'DrainLoad', {
    policyName: `${plan.id}-drain-load`,
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.scalableTargetId,
    targetTrackingScalingPolicyConfiguration: {
      targetValue: drainLoadTarget,
      scaleOutCooldown: scaleOutCooldown.toSeconds(),
      scaleInCooldown: scaleInCooldown.toSeconds(),
      customizedMetricSpecification: {
        metrics: [
          metric('load', 'drain_load', 'Average'),
          metric('behind', 'millis_behind_latest', 'Maximum'),
          {
            id: 'fleet',
            expression: fleetLoadExpression({ drainLoad: 'load', behindMs: 'behind' }),
            label: 'Drain load of the fleet',
            returnData: true,
          },
        ],
      },
    },
  });
}
