# Lets an SSH key in, for one account that is no administrator: starts the OpenSSH server, makes the account if it is not there, and
# writes the key's line into the authorized_keys of its profile. Safe to run twice. Only lines with the same mark at their end are ever
# replaced. Run it in PowerShell as an administrator.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$user = @USER@
$marker = @MARKER@
$lines = @(@LINES@)

# Well-known identifiers: the names of these accounts differ from language to language.
$administrators = New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-32-544'
$system = New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-18'
$sshUsers = New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-32-585'

function Say([string]$outcome, [string]$step, [string]$words) {
    [Console]::Out.WriteLine(('{0,-8} {1,-15} {2}' -f $outcome, $step, $words))
}

function Fail([string]$step, [string]$words) {
    Say 'FAIL' $step $words
    exit 1
}

function Confirm-Administrator {
    $me = New-Object System.Security.Principal.WindowsPrincipal ([System.Security.Principal.WindowsIdentity]::GetCurrent())
    if (-not $me.IsInRole($administrators)) {
        Fail 'root' 'this account is no administrator; run the script in PowerShell as an administrator'
    }
}

function Start-Server {
    if (-not (Get-Service -Name sshd -ErrorAction SilentlyContinue)) {
        $capability = Get-WindowsCapability -Online -Name 'OpenSSH.Server*' | Select-Object -First 1
        if (-not $capability) {
            Fail 'server' 'Windows offers no OpenSSH server here; install it from the releases of Win32-OpenSSH'
        }
        Add-WindowsCapability -Online -Name $capability.Name | Out-Null
        Say 'changed' 'server' 'installed the OpenSSH server'
    }
    Set-Service -Name sshd -StartupType Automatic
    if ((Get-Service -Name sshd).Status -eq 'Running') {
        Say 'ok' 'server' 'sshd runs, and starts with Windows'
    } else {
        Start-Service -Name sshd
        Say 'changed' 'server' 'started sshd; it starts with Windows from now on'
    }
    if (-not (Get-NetFirewallRule -Name 'OpenSSH-Server-In-TCP' -ErrorAction SilentlyContinue)) {
        Say 'warning' 'firewall' 'there is no rule OpenSSH-Server-In-TCP; see that the firewall lets the port of sshd through'
    }
}

# Windows wants a password for each account. This one is long, random, and not kept: the key is the only way in.
function New-LostPassword {
    $bytes = New-Object byte[] 48
    $random = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    try { $random.GetBytes($bytes) } finally { $random.Dispose() }
    $password = New-Object System.Security.SecureString
    foreach ($character in ('aA1!' + [Convert]::ToBase64String($bytes)).ToCharArray()) { $password.AppendChar($character) }
    $password.MakeReadOnly()
    return $password
}

function Confirm-Account {
    $account = Get-LocalUser -Name $user -ErrorAction SilentlyContinue
    if ($account) {
        Say 'ok' 'account' "$user is there"
    } else {
        $account = New-LocalUser -Name $user -Password (New-LostPassword) -PasswordNeverExpires -AccountNeverExpires -UserMayNotChangePassword
        Add-LocalGroupMember -SID 'S-1-5-32-545' -Member $account
        Say 'changed' 'account' "made $user, with a random password that nobody has"
    }
    if (-not $account.Enabled) {
        Say 'warning' 'account' "$user is disabled; Enable-LocalUser $user, if it shall log in"
    }
    $admins = @()
    try {
        $admins = @(Get-LocalGroupMember -SID $administrators | ForEach-Object { $_.SID.Value })
    } catch {
        Say 'warning' 'account' "the administrators could not be listed ($_); see that $user is none of them"
    }
    if ($admins -contains $account.SID.Value) {
        Fail 'account' ("$user is an administrator, whose keys sshd reads from $env:ProgramData\ssh\administrators_authorized_keys; " +
            'choose an account that is none, or put the line there yourself')
    }
    return $account.SID
}

# Windows Server 2025 lets in administrators and this group (AllowGroups in its sshd_config); older servers do not have it.
function Confirm-Admission {
    $group = Get-LocalGroup -SID $sshUsers -ErrorAction SilentlyContinue
    if (-not $group) { return }
    try {
        Add-LocalGroupMember -SID $sshUsers -Member $user
        Say 'changed' 'group' "$user is in the group $($group.Name) now, whose members sshd lets in"
    } catch {
        if ($_.FullyQualifiedErrorId -notlike 'MemberExists,*') { throw }
        Say 'ok' 'group' "$user is in the group $($group.Name)"
    }
}

# The profile is made at the first login, which needs the key: so it is made here.
function Confirm-Profile($sid) {
    $key = "HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\$($sid.Value)"
    if (-not (Test-Path -LiteralPath $key)) {
        $signature = '[DllImport("userenv.dll", CharSet = CharSet.Unicode)] public static extern int CreateProfile(' +
            'string sid, string name, System.Text.StringBuilder path, uint length);'
        $native = Add-Type -MemberDefinition $signature -Name 'Profiles' -Namespace 'Appferry' -PassThru
        $path = New-Object System.Text.StringBuilder 260
        $result = $native::CreateProfile($sid.Value, $user, $path, [uint32]$path.Capacity)
        if ($result -ne 0) {
            Fail 'home' ('the profile of {0} could not be made (0x{1:x8}); log in as {0} once, then run this again' -f $user, $result)
        }
        Say 'changed' 'home' "made the profile $path"
    }
    $profilePath = [Environment]::ExpandEnvironmentVariables((Get-ItemProperty -LiteralPath $key).ProfileImagePath)
    if (-not (Test-Path -LiteralPath $profilePath -PathType Container)) {
        Fail 'home' "the profile $profilePath is not there; log in as $user once, then run this again"
    }
    return $profilePath
}

# sshd refuses a file that somebody else may write to: only the account, SYSTEM and administrators are left, by their identifiers.
function Set-Protection([string]$path, $sid, [bool]$isFolder) {
    $inherit = [System.Security.AccessControl.InheritanceFlags]::None
    if ($isFolder) {
        $acl = New-Object System.Security.AccessControl.DirectorySecurity
        $inherit = [System.Security.AccessControl.InheritanceFlags]'ContainerInherit, ObjectInherit'
    } else {
        $acl = New-Object System.Security.AccessControl.FileSecurity
    }
    $acl.SetOwner($administrators) # another owner would need a privilege that is off by default; sshd takes this one
    $acl.SetAccessRuleProtection($true, $false)
    foreach ($who in @($sid, $system, $administrators)) {
        $rule = New-Object System.Security.AccessControl.FileSystemAccessRule $who,
            ([System.Security.AccessControl.FileSystemRights]::FullControl), $inherit,
            ([System.Security.AccessControl.PropagationFlags]::None), ([System.Security.AccessControl.AccessControlType]::Allow)
        $acl.AddAccessRule($rule)
    }
    Set-Acl -LiteralPath $path -AclObject $acl
}

function Deny-Link([string]$path, [string]$step) {
    $item = Get-Item -LiteralPath $path -Force -ErrorAction SilentlyContinue
    if ($item -and ($item.Attributes -band [System.IO.FileAttributes]::ReparsePoint)) {
        Fail $step "$path is a link, which is left alone; make it a folder or file of its own"
    }
}

function Write-Keys([string]$home_, $sid) {
    $folder = Join-Path $home_ '.ssh'
    $file = Join-Path $folder 'authorized_keys'
    Deny-Link $folder 'folder'
    if (Test-Path -LiteralPath $folder -PathType Container) {
        Say 'ok' 'folder' $folder
    } else {
        New-Item -ItemType Directory -Path $folder | Out-Null
        Say 'changed' 'folder' "made $folder"
    }
    Set-Protection $folder $sid $true
    Deny-Link $file 'keys-file'
    $before = @()
    if (Test-Path -LiteralPath $file) { $before = @([System.IO.File]::ReadAllLines($file)) }
    $after = New-Object System.Collections.Generic.List[string]
    $written = $false
    foreach ($line in $before) {
        $isOurs = ($line.TrimEnd() -split '\s+')[-1] -ceq $marker -and -not $line.TrimStart().StartsWith('#')
        if (-not $isOurs) { $after.Add($line); continue }
        if (-not $written) { $after.AddRange([string[]]$lines); $written = $true }
    }
    if (-not $written) { $after.AddRange([string[]]$lines) }
    if ((Test-Path -LiteralPath $file) -and (($before -join "`n") -ceq ($after -join "`n"))) {
        Set-Protection $file $sid $false
        Say 'ok' 'keys-file' "the line is in $file"
        return
    }
    # UTF-8 without a mark at the start: sshd would take the mark for a part of the first line.
    $new = Join-Path $folder ('.appferry.' + [System.IO.Path]::GetRandomFileName())
    [System.IO.File]::WriteAllText($new, ($after -join "`n") + "`n", (New-Object System.Text.UTF8Encoding $false))
    Set-Protection $new $sid $false
    Move-Item -LiteralPath $new -Destination $file -Force
    Say 'changed' 'keys-file' "wrote the line to $file"
}

function Invoke-Setup {
    Confirm-Administrator
    Start-Server
    $sid = Confirm-Account
    Confirm-Admission
    $profilePath = Confirm-Profile $sid
    Write-Keys $profilePath $sid
    Say 'ok' 'done' "the line marked $marker is in place"
}

try { Invoke-Setup } catch { Fail 'script' "$_; mend that, then run this again" }
