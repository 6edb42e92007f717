-- The largest package of Nigeria whose cash never came, by the cash reconciliation's own expectation.
SELECT TOP (1)
    CAST(r.[company] AS nvarchar(20)) AS company_code,
    CAST(r.[package_number] AS nvarchar(30)) AS package_number,
    CAST(r.[amount_expected] AS decimal(38, 4)) AS outstanding_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[PACKAGE_CASHREC] AS r
INNER JOIN [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
    ON i.[company] = r.[company] AND i.[package_number] = r.[package_number]
WHERE r.[company] = N'EC_NG'
    AND r.[cash_received_at] IS NULL
    AND i.[delivered_at] < @cutoff
ORDER BY r.[amount_expected] DESC, r.[package_number]
