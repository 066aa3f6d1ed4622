import {
  type HostEnvironment,
  type HostName,
  hostSettings,
  type Setting,
  settingNames,
} from '#shared/schemas/settings.ts';

/** What is known of the deployment, by setting. A value may be a token that CloudFormation fills in. */
export type SettingValues = Partial<Readonly<Record<Setting, string>>>;

/** The environment of a host: its settings under their names, and no others. */
export function environmentOf<Host extends HostName>(host: Host, values: SettingValues): HostEnvironment<Host> {
  const entries = hostSettings[host].map((setting) => {
    const value = values[setting];
    if (value === undefined) throw new Error(`Bug in Millrace: the ${host} host needs the setting ${setting}.`);
    return [settingNames[setting], value] as const;
  });
  return Object.fromEntries(entries) as HostEnvironment<Host>;
}
