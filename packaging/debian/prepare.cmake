# SPDX-License-Identifier: Apache-2.0
#
# Run by cpack on the tree that it packs: what Debian wants beside what is installed everywhere, and
# the same times and modes on every file, so that the same sources make the same package.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(copy from to)
  configure_file(${CPACK_PQLEASH_DEBIAN}/${from} ${root}/${to} COPYONLY)
  file(CHMOD ${root}/${to} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endfunction()

copy(copyright share/doc/pqleash/copyright)
copy(changelog share/doc/pqleash/changelog)
copy(lintian-overrides share/lintian/overrides/pqleash)
file(GLOB pages ${root}/share/man/man*/*[0-9])
run(gzip --best --no-name --force ${pages} ${root}/share/doc/pqleash/changelog)

# Whatever the umask.
run(chmod --recursive u=rwX,go=rX ${CPACK_TEMPORARY_INSTALL_DIRECTORY})

# cpack takes SOURCE_DATE_EPOCH for what it makes itself.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  set(time $ENV{SOURCE_DATE_EPOCH})
else()
  run(dpkg-parsechangelog --file ${CPACK_PQLEASH_DEBIAN}/changelog --show-field Timestamp)
  set(time ${output})
  set(ENV{SOURCE_DATE_EPOCH} ${time})
endif()
run(find ${CPACK_TEMPORARY_INSTALL_DIRECTORY} -exec touch --no-dereference --date=@${time} {} +)
