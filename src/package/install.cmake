include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/streamrelay)

install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/streamrelay)
foreach(component shared static)
    if(component STREQUAL "shared")
        set(library streamrelay)
    else()
        set(library streamrelay_static)
    endif()
    install(TARGETS ${library} EXPORT streamrelay-${component}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT streamrelay-${component} NAMESPACE streamrelay:: DESTINATION ${package_dir}
        FILE streamrelay-${component}.cmake)
endforeach()

configure_package_config_file(package/streamrelay-config.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/streamrelay-config.cmake INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may break programs.
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
else()
    set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/streamrelay-config-version.cmake
    COMPATIBILITY ${compatibility})
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/streamrelay-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/streamrelay-config-version.cmake
    DESTINATION ${package_dir})

# The .pc file finds its prefix from where it lies, so that an installed tree can be moved. Absolute library or include
# folders are kept as they are.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(pc_prefix ${CMAKE_INSTALL_PREFIX})
    set(pc_libdir ${CMAKE_INSTALL_LIBDIR})
else()
    file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
    string(REGEX REPLACE "/$" "" up ${up})
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
else()
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(package/streamrelay.pc.in ${CMAKE_CURRENT_BINARY_DIR}/streamrelay.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/streamrelay.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
