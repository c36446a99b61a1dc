# SPDX-License-Identifier: MIT
<#
.SYNOPSIS
Tests the programs against the VirtDisk of Windows: it attaches our disks, writes to them and we read them; we read its disks; each
replays the logs that the other left behind. Needs an administrator. Runs on windows-latest (.github/workflows/ci.yml).

.PARAMETER Programs
The directory of vhdx-create.exe, vhdx-inspect.exe and vhdx-convert.exe.
.PARAMETER CrashTest
vhdx-test-crash.exe, which makes files with a pending log. Without it that part is left out.
#>
param(
    [Parameter(Mandatory)] [string] $Programs,
    [string] $CrashTest
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$Programs = (Resolve-Path $Programs).Path
if ($CrashTest) { $CrashTest = (Resolve-Path $CrashTest).Path }
$work = Join-Path ([IO.Path]::GetTempPath()) "vhdx-virtdisk-$PID"
New-Item -ItemType Directory -Path $work | Out-Null
Set-Location $work
$attached = [Collections.Generic.List[string]]::new()

function Ok([string] $what) { Write-Host "ok - $what" }

# Runs one of our programs; a failure ends the test.
function Invoke-Ours([string] $name, [string[]] $arguments) {
    & (Join-Path $Programs "vhdx-$name.exe") @arguments
    if ($LASTEXITCODE -ne 0) { throw "vhdx-$name $arguments ends with $LASTEXITCODE" }
}

function Invoke-Diskpart([string[]] $lines) {
    $lines | Set-Content -Encoding ascii diskpart.txt
    $output = diskpart /s diskpart.txt
    if ($LASTEXITCODE -ne 0) { throw "diskpart: $($output -join "`n")" }
}

# Attaches a file; returns the number of the disk.
function Mount-Ours([string] $image, [switch] $ReadOnly) {
    $path = Join-Path $work $image
    $access = if ($ReadOnly) { 'ReadOnly' } else { 'ReadWrite' }
    Mount-DiskImage -ImagePath $path -Access $access -NoDriveLetter:$ReadOnly | Out-Null
    $attached.Add($path)
    for ($i = 0; $i -lt 50; $i++) {
        $number = (Get-DiskImage -ImagePath $path).Number
        if ($null -ne $number) { return $number }
        Start-Sleep -Milliseconds 200
    }
    throw "$image was attached, but has no number"
}

function Dismount-Ours([string] $image) {
    $path = Join-Path $work $image
    Dismount-DiskImage -ImagePath $path | Out-Null
    [void] $attached.Remove($path)
}

# A partition with NTFS and a file with known content on a disk that is attached and empty. Returns the drive with a colon.
function Initialize-Ours([int] $number, [string] $source) {
    Initialize-Disk -Number $number -PartitionStyle GPT
    $partition = New-Partition -DiskNumber $number -UseMaximumSize -AssignDriveLetter
    Format-Volume -Partition $partition -FileSystem NTFS -NewFileSystemLabel 'vhdx' -Confirm:$false | Out-Null
    $drive = "$($partition.DriveLetter):"
    Copy-Item $source "$drive\content.bin"
    Write-VolumeCache -DriveLetter $partition.DriveLetter
    return $drive
}

function Get-Drive([int] $number) {
    for ($i = 0; $i -lt 50; $i++) {
        $letter = (Get-Partition -DiskNumber $number | Where-Object DriveLetter | Select-Object -First 1).DriveLetter
        if ($letter) { return "${letter}:" }
        Start-Sleep -Milliseconds 200
    }
    throw "disk $number has no drive"
}

function Assert-Content([string] $drive, [string] $source) {
    $found = (Get-FileHash "$drive\content.bin").Hash
    if ($found -ne (Get-FileHash $source).Hash) { throw "the file on $drive holds other bytes" }
}

# What we read of an image, in an image that Windows attaches again: the file in it is right.
function Assert-OursReads([string] $image, [string] $source) {
    Remove-Item again.vhdx -ErrorAction Ignore
    Invoke-Ours inspect @($image)
    Invoke-Ours create @('-q', '--from', $image, 'again.vhdx')
    Invoke-Ours inspect @('--compare', $image, 'again.vhdx')
    $number = Mount-Ours again.vhdx
    Assert-Content (Get-Drive $number) $source
    Dismount-Ours again.vhdx
    Remove-Item again.vhdx
}

try {
    $source = Join-Path $work 'source.bin'
    $bytes = [byte[]]::new(20000000)
    [Random]::new(1).NextBytes($bytes)
    [IO.File]::WriteAllBytes($source, $bytes)

    # Ours: Windows attaches them, writes, and we read what it wrote.
    $kinds = @(
        @{ Name = 'dynamic.vhdx'; Options = @() }
        @{ Name = 'blocks.vhdx'; Options = @('--block-size', '1M', '--log-size', '2M') }
        @{ Name = 'fixed.vhdx'; Options = @('--type', 'fixed') }
        @{ Name = 'sectors.vhdx'; Options = @('--logical-sector', '4096') }
        @{ Name = 'dynamic.vhd'; Options = @() }
        @{ Name = 'fixed.vhd'; Options = @('--type', 'fixed') }
    )
    foreach ($kind in $kinds) {
        Invoke-Ours create (@('-q') + $kind.Options + @($kind.Name, '128M'))
        $number = Mount-Ours $kind.Name
        Assert-Content (Initialize-Ours $number $source) $source
        Dismount-Ours $kind.Name
        Assert-OursReads $kind.Name $source
        Ok "Windows writes to our $($kind.Name)"
    }

    # The whole disk, as Windows shows it, against what we read of the file: a physical drive as a source.
    $number = Mount-Ours dynamic.vhdx -ReadOnly
    Invoke-Ours create @('-q', '--from', "\\.\PhysicalDrive$number", 'drive.vhdx')
    Dismount-Ours dynamic.vhdx
    Invoke-Ours inspect @('--compare', 'dynamic.vhdx', 'drive.vhdx')
    Ok 'a physical drive as a source'

    # A child of ours, found by all three paths; the parent does not change.
    $before = (Get-FileHash dynamic.vhdx).Hash
    Invoke-Ours create @('-q', '--parent', 'dynamic.vhdx', 'child.vhdx')
    $number = Mount-Ours child.vhdx
    $drive = Get-Drive $number
    Assert-Content $drive $source
    Copy-Item $source "$drive\second.bin"
    Dismount-Ours child.vhdx
    if ((Get-FileHash dynamic.vhdx).Hash -ne $before) { throw 'the parent was changed' }
    Assert-OursReads child.vhdx $source
    Ok 'Windows writes to our child'

    # Why disks are not sparse unless asked for.
    Invoke-Ours create @('-q', '--sparse', 'sparse.vhdx', '128M')
    $refused = $false
    try { Mount-DiskImage -ImagePath (Join-Path $work 'sparse.vhdx') | Out-Null } catch { $refused = $true }
    if (-not $refused) {
        Dismount-DiskImage -ImagePath (Join-Path $work 'sparse.vhdx') | Out-Null
        Write-Host 'note - this Windows attaches a sparse image'
    }
    Ok "a sparse image is $(if ($refused) { 'refused' } else { 'attached' })"

    # Theirs: we read them, also a chain.
    foreach ($kind in @('expandable', 'fixed')) {
        foreach ($ending in @('vhdx', 'vhd')) {
            $name = "theirs-$kind.$ending"
            Invoke-Diskpart @("create vdisk file=`"$work\$name`" maximum=128 type=$kind")
            $number = Mount-Ours $name
            Assert-Content (Initialize-Ours $number $source) $source
            Dismount-Ours $name
            Assert-OursReads $name $source
            Ok "we read Windows' $name"
        }
    }
    foreach ($ending in @('vhdx', 'vhd')) {
        $name = "theirs-child.$ending"
        Invoke-Diskpart @("create vdisk file=`"$work\$name`" parent=`"$work\theirs-expandable.$ending`"")
        $number = Mount-Ours $name
        Copy-Item $source "$(Get-Drive $number)\second.bin"
        Dismount-Ours $name
        Assert-OursReads $name $source
        Ok "we read Windows' $name"
    }

    # A file that is in use by Windows is refused, not read half-way; one that we use is refused to Windows.
    $number = Mount-Ours dynamic.vhdx
    & (Join-Path $Programs 'vhdx-create.exe') -q --force dynamic.vhdx 1G 2>$null
    if ($LASTEXITCODE -ne 1) { throw "a disk that is attached was replaced: $LASTEXITCODE" }
    Dismount-Ours dynamic.vhdx
    Ok 'a disk that is attached is not replaced'

    # Their pending logs: a shadow copy of a file that is being written.
    $number = Mount-Ours theirs-expandable.vhdx
    $drive = Get-Drive $number
    for ($i = 0; $i -lt 20; $i++) {
        Copy-Item $source "$drive\file-$i.bin" -ErrorAction Ignore
        if ($i -eq 2) {
            esentutl.exe /y theirs-expandable.vhdx /vss /d pending.vhdx | Out-Null
            $shadow = $LASTEXITCODE
            break
        }
    }
    Dismount-Ours theirs-expandable.vhdx
    if ($shadow -eq 0 -and (Test-Path pending.vhdx)) {
        Copy-Item pending.vhdx replayed.vhdx
        Invoke-Ours inspect @('--log', 'pending.vhdx')
        $number = Mount-Ours replayed.vhdx # and NTFS replays its own log, so that the disks cannot be compared
        Assert-Content (Get-Drive $number) $source
        Dismount-Ours replayed.vhdx
        Assert-OursReads pending.vhdx $source
        Ok 'a pending log of Windows'
    } else {
        Write-Host 'note - no shadow copy can be made here'
    }

    # Ours: states after a crash, with the content that our replay gives; Windows replays, and we compare.
    if ($CrashTest) {
        New-Item -ItemType Directory crash | Out-Null
        foreach ($kind in @('vhdx-dynamic-512', 'vhdx-fixed-512')) {
            & $CrashTest --kind $kind --dump crash --length 1 --random 2
            if ($LASTEXITCODE -ne 0) { throw "the crash test ends with $LASTEXITCODE" }
        }
        $images = @(Get-ChildItem crash -Filter *.vhdx)
        if ($images.Count -eq 0) { throw 'the crash test left no images' }
        foreach ($image in $images) {
            $raw = [IO.Path]::ChangeExtension($image.FullName, '.raw')
            $name = "crash\$($image.Name)"
            Invoke-Ours inspect @('--compare', $raw, '--compare-format', 'raw', $name)
            [void] (Mount-Ours $name)
            Dismount-Ours $name
            Invoke-Ours inspect @('--compare', $raw, '--compare-format', 'raw', $name)
        }
        Ok "Windows replays $($images.Count) logs of ours"
    }
} finally {
    foreach ($path in @($attached)) { Dismount-DiskImage -ImagePath $path -ErrorAction Ignore | Out-Null }
    Set-Location ([IO.Path]::GetTempPath())
    Remove-Item -Recurse -Force $work -ErrorAction Ignore
}
Write-Host 'all is right'
