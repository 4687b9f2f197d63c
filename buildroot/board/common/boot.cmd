# Chooses the root slot and starts it. U-Boot runs this from boot.scr on the boot partition, the same on every board; the
# format of the boot state and the rules are told in board/src/boot_state.rs, whose tests and tests/tests/loader.rs hold
# this script to them. All numbers are hexadecimal.
#
# A slot is a squashfs and, behind it at the next 4 KiB, a FIT with kernel, initrd if there is one, and their hashes.
# The boot partition may have a roost.env with roost_console= and roost_args= for the kernel's command line.

${devtype} dev ${devnum}
setexpr fit ${kernel_addr_r} + 8000000
setexpr work ${fit} - 4000
setexpr copy0 ${fit} - 3000
setexpr copy1 ${fit} - 2000
setexpr envfile ${fit} - 1000
setenv roost_console console=ttyAMA0
setenv roost_args
if load ${devtype} ${devnum}:1 ${envfile} roost.env; then
  env import -t ${envfile} ${filesize} roost_console roost_args
fi

# --- the two copies of the state: whole, and which one counts
setenv ok0 0
setenv ok1 0
for n in 0 1; do
  if test ${n} = 0; then setenv copy ${copy0}; setenv sector 400; else setenv copy ${copy1}; setenv sector 600; fi
  if ${devtype} read ${copy} ${sector} 1; then
    setexpr p ${copy} + 1fc
    crc32 ${copy} 1fc ${work}
    if cmp.b ${work} ${p} 4; then
      setexpr p ${copy} + 4
      if itest.l *${copy} == 736f6f52 && itest.l *${p} == 31424174; then setenv ok${n} 1; fi
    fi
  fi
done
setenv now 0
if test ${ok1} = 1; then
  setenv now 1
  if test ${ok0} = 1; then
    setexpr p ${copy0} + 8
    setexpr q ${copy1} + 8
    if itest.l *${p} >= *${q}; then setenv now 0; fi
  fi
elif test ${ok0} = 0; then
  echo "roost: no boot state: slot A as shipped"
  mw.b ${copy0} 0 200
  mw.l ${copy0} 736f6f52
  setexpr p ${copy0} + 4
  mw.l ${p} 31424174
  setexpr p ${copy0} + e
  mw.b ${p} 1
fi
if test ${now} = 0; then
  setenv state ${copy0}; setenv next ${copy1}; setenv nextsector 600
else
  setenv state ${copy1}; setenv next ${copy0}; setenv nextsector 400
fi

# --- the rules
setexpr p ${state} + c
setexpr.b active *${p}
if test ${active} != 1; then setenv active 0; fi
setexpr p ${state} + d
setexpr.b tries *${p}
setexpr goods ${state} + e
setexpr p ${goods} + ${active}
setexpr.b good *${p}
setenv change 1
if test ${good} = 1; then
  setenv change 0
elif itest ${tries} > 0; then
  setexpr tries ${tries} - 1
else
  setexpr other 1 - ${active}
  setexpr p ${goods} + ${other}
  setexpr.b good *${p}
  setenv active ${other}
  if test ${good} = 1; then
    echo "roost: no try left, going back"
    setenv tries 0
  else
    setenv good 0
    setenv tries 2
  fi
fi

# --- a change is on the disk before the slot is started; without it a slot that hangs would be started for ever
if test ${change} = 1; then
  cp.b ${state} ${next} 200
  setexpr p ${next} + 8
  setexpr.l sequence *${p}
  setexpr sequence ${sequence} + 1
  mw.l ${p} ${sequence}
  setexpr p ${next} + c
  mw.b ${p} ${active}
  setexpr p ${next} + d
  mw.b ${p} ${tries}
  setexpr p ${next} + 1fc
  crc32 ${next} 1fc ${p}
  ${devtype} write ${next} ${nextsector} 1
  setenv state ${next}
  if test ${nextsector} = 600; then setenv next ${copy0}; setenv nextsector 400; else setenv next ${copy1}; setenv nextsector 600; fi
fi

# --- start it
if test ${active} = 1; then setenv slot B; setenv part 3; else setenv slot A; setenv part 2; fi
echo "roost: slot ${slot}, good ${good}, tries left ${tries}"
if test ${devtype} = virtio; then
  setenv root /dev/vda${part}
else
  part uuid ${devtype} ${devnum}:${part} uuid
  setenv root PARTUUID=${uuid}
fi
# A kernel that does not find its root in a minute panics and starts again: waiting for ever would cost no try.
# A slot on trial guards itself (overlay/etc/init.d/rcS): its program may not even start.
setenv trial
if test ${good} != 1; then setenv trial roost.trial=1; fi
setenv bootargs "${roost_console} root=${root} ro rootwait=60 roost.slot=${slot} ${trial} quiet panic=-1 ${roost_args}"
part start ${devtype} ${devnum} ${part} begin
if ${devtype} read ${fit} ${begin} 1 && itest.l *${fit} == 73717368; then
  # Behind the squashfs: its length, rounded up to 4 KiB, in sectors.
  setexpr p ${fit} + 28
  setexpr.l used *${p}
  setexpr used ${used} + fff
  setexpr used ${used} / 1000
  setexpr used ${used} * 8
  setexpr begin ${begin} + ${used}
  # The FIT's length is in its header, the most significant octet first.
  if ${devtype} read ${fit} ${begin} 1 && itest.l *${fit} == edfe0dd0; then
    setexpr p ${fit} + 4
    setexpr.b b0 *${p}
    setexpr p ${fit} + 5
    setexpr.b b1 *${p}
    setexpr p ${fit} + 6
    setexpr.b b2 *${p}
    setexpr p ${fit} + 7
    setexpr.b b3 *${p}
    setexpr length ${b0} * 100
    setexpr length ${length} + ${b1}
    setexpr length ${length} * 100
    setexpr length ${length} + ${b2}
    setexpr length ${length} * 100
    setexpr length ${length} + ${b3}
    setexpr length ${length} + 1ff
    setexpr length ${length} / 200
    # More than 128 MiB is no kernel of ours.
    if itest ${length} < 40000 && ${devtype} read ${fit} ${begin} ${length}; then
      if test -n "${fdt_addr}"; then setenv tree ${fdt_addr}; else setenv tree ${fdtcontroladdr}; fi
      # Only the quick image has an initrd.
      setenv initrd -
      fdt addr ${fit}
      if fdt get value found /configurations/roost ramdisk; then setenv initrd ${fit}:initrd; fi
      bootm ${fit}#roost ${initrd} ${tree}
    fi
  fi
fi

# --- it cannot be started: one that was good has two tries more, then the other slot's turn comes
echo "roost: slot ${slot} cannot be started"
if test ${good} = 1; then
  cp.b ${state} ${next} 200
  setexpr p ${next} + 8
  setexpr.l sequence *${p}
  setexpr sequence ${sequence} + 1
  mw.l ${p} ${sequence}
  setexpr p ${next} + c
  mw.b ${p} ${active}
  setexpr p ${next} + d
  mw.b ${p} 2
  setexpr p ${next} + e
  setexpr p ${p} + ${active}
  mw.b ${p} 0
  setexpr p ${next} + 1fc
  crc32 ${next} 1fc ${p}
  ${devtype} write ${next} ${nextsector} 1
fi
reset
